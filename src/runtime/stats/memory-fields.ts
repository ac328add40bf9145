/** What Docker tells of memory.stat on v1 (Documentation/admin-guide/cgroup-v1/memory.rst); each once more with "total_" for the tree. */
const LEGACY_OWN = `cache rss rss_huge mapped_file dirty writeback pgpgin pgpgout pgfault pgmajfault
   inactive_anon active_anon inactive_file active_file unevictable`.split(/\s+/);

export const MEMORY_LEGACY: readonly string[] = [
  ...LEGACY_OWN,
  'hierarchical_memory_limit',
  'hierarchical_memsw_limit',
  ...LEGACY_OWN.map((name) => `total_${name}`),
];

/** The same on v2 (cgroup-v2.rst). */
export const MEMORY_UNIFIED: readonly string[] =
  `anon file kernel_stack slab sock shmem file_mapped file_dirty file_writeback anon_thp
   inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable
   pgfault pgmajfault workingset_refault workingset_activate workingset_nodereclaim pgrefill pgscan pgsteal
   pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc thp_collapse_alloc`.split(/\s+/);
