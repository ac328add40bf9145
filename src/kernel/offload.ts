import type { NetworkNamespace } from './netns.ts';
import * as sys from './sys.ts';

/** include/uapi/linux/sockios.h, ethtool.h */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_STXCSUM = 0x17;
/** sizeof(struct ifreq): a name of 16 bytes and a union of 24 */
const IFREQ_SIZE = 40;
const NAME_SIZE = 16;

/**
 * Makes a link complete its packets' checksums by itself. A veth leaves them to the network card, which a switch in user space
 * is not: it would pass on what receivers then drop.
 * @throws KernelError ENODEV
 */
export function completeChecksums(namespace: NetworkNamespace, link: string): void {
  const value = Buffer.alloc(8); // struct ethtool_value: command, data
  value.writeUInt32LE(ETHTOOL_STXCSUM);
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(link);
  request.writeBigUInt64LE(sys.addressOf(value), NAME_SIZE);
  namespace.run(() => {
    const fd = sys.socket(sys.AF_INET, sys.SOCK_DGRAM, 0);
    try {
      sys.ioctl(fd, SIOCETHTOOL, request, `switch checksum offload of ${link} off`);
    } finally {
      sys.close(fd);
    }
  });
}
