// How lockstep starts MPI.
#pragma once

namespace lockstep {

/// MPI_Init_thread with MPI_THREAD_SERIALIZED, which HostReduction's thread needs, and with what suits large
/// messages in both directions at once (decision 011). A setting of the user's own (OMPI_MCA_btl_tcp_flags)
/// stays.
void start_mpi(int* argc, char*** argv);

}  // namespace lockstep
