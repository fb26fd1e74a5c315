// MPI in C alone. The C++ interface, which nothing here uses, has a library of its own that Open MPI 5 is
// without; and what is built with 4.1 runs under 5 too.
#pragma once

#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
