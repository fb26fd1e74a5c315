// jemalloc reads this. The next step allocates the pages that a step frees: returning them to the kernel in
// between (decay, and at once for large blocks) cost a third of a step in page faults. By default, only
// requests of at least a 64th of its size may reuse a freed block, and if smaller requests alternate with
// them, memory grows without bound (ResNet-20 with micro-batches of 4: 25 MB a step).
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,narenas:1,thp:always,"
    "lg_extent_max_active_fit:40";
}
