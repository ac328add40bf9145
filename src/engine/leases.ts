import { DhcpClient, type DhcpIdentity, type Outgoing, type Step } from '../ipam/dhcp/client.ts';
import { readFrame, writeFrame } from '../ipam/dhcp/frame.ts';
import { decode, encode } from '../ipam/dhcp/message.ts';
import { claims, writeProbe } from '../ipam/dhcp/probe.ts';
import { NetworkNamespace } from '../kernel/netns.ts';
import { PacketSocket } from '../kernel/packet-socket.ts';
import { RouteSocket } from '../kernel/rtnetlink.ts';
import { type IpAddress, parseIpAddress, parseMacAddress } from '../model/address.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { Endpoint, Lease } from '../model/network.ts';

interface Options {
  readonly logger: Logger;
  /** Where the namespace of an endpoint's sandbox is pinned */
  sandboxPath(endpoint: Endpoint): string;
  /** Makes state and kernel follow a lease; undefined: it has ended */
  follow(endpoint: Endpoint, lease: Lease | undefined): Promise<void>;
}

/** One endpoint's client, its clock and, while it waits for an answer, its socket. */
interface Holder {
  readonly endpoint: Endpoint;
  readonly identity: DhcpIdentity;
  readonly client: DhcpClient;
  socket?: PacketSocket;
  /** While it is asked whether somebody has the address */
  ears?: PacketSocket;
  timer?: NodeJS.Timeout;
  /** Told of the first lease */
  obtained?: (error?: unknown) => void;
}

/** RFC 2131: who has no address says 0.0.0.0, and asks everybody. */
const EVERYBODY = { address: parseIpAddress('255.255.255.255'), mac: parseMacAddress('ff:ff:ff:ff:ff:ff') };
const SERVER_PORT = 67;
const CLIENT_PORT = 68;
/** Milliseconds a container's start waits for an answer: asked five times by then. */
const PATIENCE = 20_000;

/** Addresses from the LAN's DHCP servers, asked for and prolonged from within the sandboxes. */
export class Leases implements Disposable {
  readonly #options: Options;
  readonly #holders = new Map<string, Holder>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Resolves when the endpoint has an address. @throws EngineError unavailable when no server gives one */
  async obtain(endpoint: Endpoint, identity: DhcpIdentity): Promise<void> {
    const holder = this.#hold(endpoint, identity);
    let deadline: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        deadline = setTimeout(() => reject(silence(endpoint)), PATIENCE);
        holder.obtained = (error) => (error === undefined ? resolve() : reject(error));
        this.#perform(holder, holder.client.start(Date.now()));
      });
    } catch (error) {
      this.#drop(endpoint.id);
      throw error;
    } finally {
      clearTimeout(deadline);
      delete holder.obtained;
    }
  }

  /** Goes on with the lease an earlier daemon got. */
  resume(endpoint: Endpoint, identity: DhcpIdentity): void {
    const holder = this.#hold(endpoint, identity);
    const now = Date.now();
    this.#perform(holder, endpoint.lease ? holder.client.resume(endpoint.lease, now) : holder.client.start(now));
  }

  /** Gives the address back, while the link is still there. One that is not known, or cannot be told, just ends. */
  release(id: string): void {
    const holder = this.#holders.get(id);
    const message = holder?.client.release(Date.now());
    if (holder !== undefined && message !== undefined) this.#send(holder, message);
    this.#drop(id);
  }

  /** The leases stay: the next daemon goes on with them. */
  [Symbol.dispose](): void {
    for (const id of [...this.#holders.keys()]) this.#drop(id);
  }

  #hold(endpoint: Endpoint, identity: DhcpIdentity): Holder {
    this.#drop(endpoint.id);
    const holder: Holder = { endpoint, identity, client: new DhcpClient(identity, Math.random) };
    this.#holders.set(endpoint.id, holder);
    return holder;
  }

  #drop(id: string): void {
    const holder = this.#holders.get(id);
    if (holder === undefined) return;
    this.#holders.delete(id);
    clearTimeout(holder.timer);
    holder.socket?.[Symbol.dispose]();
    holder.ears?.[Symbol.dispose]();
  }

  #perform(holder: Holder, { send, probe, wait, lease }: Step): void {
    clearTimeout(holder.timer);
    holder.timer = setTimeout(() => this.#perform(holder, holder.client.timeout(Date.now())), wait);
    holder.timer.unref();
    if (send === undefined) {
      // Nothing is awaited: a busy link's frames need not be copied here.
      holder.socket?.[Symbol.dispose]();
      delete holder.socket;
    } else {
      this.#send(holder, send);
    }
    this.#probe(holder, probe);
    if (lease !== undefined) void this.#follow(holder, lease ?? undefined);
  }

  /** @param address undefined: nothing is asked any more */
  #probe(holder: Holder, address: IpAddress | undefined): void {
    if (address === undefined) {
      holder.ears?.[Symbol.dispose]();
      delete holder.ears;
      return;
    }
    const { mac } = holder.identity;
    this.#try(holder, () => {
      holder.ears ??= this.#open(holder, 'arp', (frame) => this.#hearArp(holder, frame, address));
      holder.ears.send(writeProbe(mac, address));
    });
  }

  #hearArp(holder: Holder, frame: Buffer, address: IpAddress): void {
    if (this.#holders.get(holder.endpoint.id) !== holder || !claims(frame, holder.identity.mac, address)) return;
    const step = holder.client.conflict(Date.now());
    if (step === undefined) return;
    const { id, interfaceName } = holder.endpoint;
    this.#options.logger.warn('another machine has the address that DHCP gave', {
      endpoint: id,
      link: interfaceName,
      address,
    });
    this.#perform(holder, step);
  }

  async #follow(holder: Holder, lease: Lease | undefined): Promise<void> {
    const { logger, follow } = this.#options;
    const { endpoint } = holder;
    const details = { endpoint: endpoint.id, link: endpoint.interfaceName };
    if (lease === undefined) logger.warn('a DHCP lease has ended, another one is asked for', details);
    else logger.debug('a DHCP lease was given', { ...details, address: lease.address, seconds: lease.endsAfter });
    try {
      await follow(endpoint, lease);
      if (lease !== undefined) holder.obtained?.();
    } catch (error) {
      if (holder.obtained !== undefined) holder.obtained(error);
      else logger.error('a DHCP lease could not be followed', { ...details, error: errorMessage(error) });
    }
  }

  /** What cannot be sent now is sent again when its time is over. */
  #send(holder: Holder, { message, from, to = EVERYBODY }: Outgoing): void {
    const frame = writeFrame({
      fromMac: holder.identity.mac,
      toMac: to.mac,
      from,
      to: to.address,
      fromPort: CLIENT_PORT,
      toPort: SERVER_PORT,
      payload: encode(message),
    });
    this.#try(holder, () => {
      holder.socket ??= this.#open(holder, 'ip', (bytes) => this.#hear(holder, bytes));
      holder.socket.send(frame);
    });
  }

  #try(holder: Holder, send: () => void): void {
    try {
      send();
    } catch (error) {
      const { id, interfaceName } = holder.endpoint;
      this.#options.logger.debug('a DHCP message could not be sent', {
        endpoint: id,
        link: interfaceName,
        error: errorMessage(error),
      });
    }
  }

  #open({ endpoint }: Holder, kind: 'ip' | 'arp', listener: (frame: Buffer) => void): PacketSocket {
    using namespace = NetworkNamespace.open(this.#options.sandboxPath(endpoint));
    using route = new RouteSocket(namespace);
    const link = route.link(endpoint.interfaceName);
    if (link === undefined) throw new EngineError('internal', `there is no link ${endpoint.interfaceName}`);
    return new PacketSocket(namespace, link.index, kind, listener);
  }

  #hear(holder: Holder, bytes: Buffer): void {
    if (this.#holders.get(holder.endpoint.id) !== holder) return;
    const frame = readFrame(bytes);
    if (frame === undefined || frame.toPort !== CLIENT_PORT || frame.fromPort !== SERVER_PORT) return;
    const message = decode(frame.payload);
    const step = message && holder.client.receive(message, frame.fromMac, Date.now());
    if (step !== undefined) this.#perform(holder, step);
  }
}

function silence({ interfaceName }: Endpoint): EngineError {
  const where = `${interfaceName} of the container`;
  return new EngineError('unavailable', `no DHCP server answered within ${PATIENCE / 1000} s on the LAN of ${where}`);
}
