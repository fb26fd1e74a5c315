// jemalloc reads this. Pages that a step frees are what the next one allocates: giving them back to the
// kernel in between (decay, and at once for large blocks) cost a third of a step in page faults. By default
// only requests of at least a 64th of its size may have a block that was freed, and where others alternate
// with them, memory grows for ever (ResNet-20 with micro-batches of 4: 25 MB a step).
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,narenas:1,thp:always,"
    "lg_extent_max_active_fit:40";
}
