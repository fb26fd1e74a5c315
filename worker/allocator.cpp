// jemalloc reads this. Pages that a step frees are what the next one allocates: giving them back to the
// kernel in between (decay, and at once for large blocks) cost a third of a step in page faults.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,narenas:1,thp:always";
}
