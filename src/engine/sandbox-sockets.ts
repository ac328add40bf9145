import type { OpenSocket } from '../dns/names.ts';
import { NetworkNamespace } from '../kernel/netns.ts';
import * as sys from '../kernel/sys.ts';

/** Opens the sockets by which the resolver asks the servers of `--dns`, as the container itself would. */
export function sandboxSockets(sandboxPath: (namespace: Parameters<OpenSocket>[0]) => string): OpenSocket {
  return (name, { protocol, family }) => {
    using namespace = NetworkNamespace.open(sandboxPath(name));
    const type = protocol === 'udp' ? sys.SOCK_DGRAM : sys.SOCK_STREAM;
    return namespace.run(() => sys.socket(family === 4 ? sys.AF_INET : sys.AF_INET6, type, 0));
  };
}
