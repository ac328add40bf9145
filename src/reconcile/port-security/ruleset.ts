import { tableText } from '../firewall/ruleset.ts';

/**
 * arriving: every frame that comes in by a port which is held to its addresses, before the bridge learns or forwards anything from it.
 *   Frames to 01:80:C2:00:00:0X do not come here (br_handle_frame in net/bridge/br_input.c), nor to any other port.
 * port: VLAN tags, RARP and all that is neither IP nor ARP has no address that could be looked at.
 * claims: the address that is claimed, and the MAC address that is said to have it, which need not be the frame's. RFC 5227's probe
 *   asks for an address without having one.
 * six: from no address come the questions of one that is about to have one, and of a listener to a group (RFC 4861, RFC 3810). What
 *   a router or a DHCP server says is not a container's to say; extension headers before it are skipped (ipv6_find_hdr), and of
 *   fragments nobody takes it (RFC 6980).
 */
const CHAINS = `
  chain arriving {
    type filter hook prerouting priority -300; policy accept
    iifname @ports goto port
  }
  chain port {
    iifname . ether saddr != @macs counter name spoofed drop
    ether type arp goto claims
    ether type ip goto four
    ether type ip6 goto six
    counter name spoofed drop
  }
  chain claims {
    iifname . arp saddr ether . arp saddr ip @senders4 accept
    arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept
    counter name spoofed drop
  }
  chain four {
    iifname . ether saddr . ip saddr != @senders4 counter name spoofed drop
    udp sport 67 counter name spoofed drop
  }
  chain six {
    ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } accept
    iifname . ether saddr . ip6 saddr != @senders6 counter name spoofed drop
    icmpv6 type { nd-router-advert, nd-redirect } counter name spoofed drop
    icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 counter name spoofed drop
    udp sport 547 counter name spoofed drop
  }
`;

/** The table without an element. @param table its name; the family is bridge */
export function portRulesetText(table: string): string {
  return tableText('bridge', table, CHAINS);
}
