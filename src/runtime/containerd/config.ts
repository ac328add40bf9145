export interface ContainerdPaths {
  /** What outlives a reboot: content, snapshots, metadata */
  readonly root: string;
  /** What does not: shims' bundles and sockets */
  readonly state: string;
  /** containerd's socket; at most 107 bytes (unix(7)), and ".ttrpc" is appended for the shims' one */
  readonly socket: string;
}

/**
 * Plugins of containerd 1.6 to 2.x we have no use for. Each costs start-up time and memory, CRI by far the most; names a
 * version does not know are ignored by it.
 */
const DISABLED_PLUGINS = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.cri.v1.images',
  'io.containerd.cri.v1.runtime',
  'io.containerd.nri.v1.nri',
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.native',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
] as const;

/** containerd's config.toml (containerd-config.toml(5)), version 2: read by 1.4 and later. */
export function renderConfig(paths: ContainerdPaths): string {
  // A TOML basic string and a JSON string agree on what paths contain.
  const text = (value: string) => JSON.stringify(value);
  return `version = 2
root = ${text(paths.root)}
state = ${text(paths.state)}
disabled_plugins = [${DISABLED_PLUGINS.map(text).join(', ')}]

[grpc]
address = ${text(paths.socket)}

[debug]
level = "warn"

[plugins."io.containerd.monitor.v1.cgroups"]
no_prometheus = true
`;
}
