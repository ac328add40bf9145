import {
  addressBytes,
  type InterfaceAddress,
  type IpAddress,
  interfaceAddress,
  type MacAddress,
  parseIpAddress,
} from '../../model/address.ts';
import type { Lease } from '../../model/network.ts';
import { addressesOf, type DhcpMessage, MESSAGE, numberOf, OPTION } from './message.ts';

/** Who asks. */
export interface DhcpIdentity {
  readonly mac: MacAddress;
  /** The same over restarts, whatever the MAC address: option 61 */
  readonly clientId: Uint8Array;
  /** '' sends none */
  readonly hostName: string;
}

/** What is to be sent: to everybody, or to one server. */
export interface Outgoing {
  readonly message: DhcpMessage;
  readonly from: IpAddress;
  readonly to?: { readonly address: IpAddress; readonly mac: MacAddress };
}

/** What follows from what happened. */
export interface Step {
  readonly send?: Outgoing;
  /** Others shall be asked by ARP whether they have this address; `conflict` is due when one has */
  readonly probe?: IpAddress;
  /** Milliseconds until `timeout` is due */
  readonly wait: number;
  /** A new or prolonged lease; null: there is none any more */
  readonly lease?: Lease | null;
}

type State =
  | { readonly phase: 'selecting'; readonly wanted?: IpAddress }
  | { readonly phase: 'requesting'; readonly wanted: IpAddress; readonly server: IpAddress }
  | { readonly phase: 'rebooting'; readonly wanted: IpAddress }
  | { readonly phase: 'probing'; readonly given: Lease; readonly probes: number }
  | { readonly phase: 'bound' | 'renewing' | 'rebinding'; readonly lease: Lease };

const NOWHERE = parseIpAddress('0.0.0.0');
/** RFC 2131 section 4.1 begins with 4 s; a container's start should not wait that long for one lost packet. */
const FIRST_RETRY = 1000;
const LONGEST_RETRY = 64_000;
/** Offers are asked for this often before one that does not answer is forgotten. */
const REQUESTS = 4;
/** Section 4.4.5: renewals are repeated after half of what remains, but not more often. */
const RENEWAL_PAUSE = 60_000;
/** RFC 5227 section 1.1 has PROBE_NUM 3, and 6 s in all; a container's start waits for it, and who is there answers in a few ms. */
const PROBES = 3;
const PROBE_PAUSE = 150;
/** Section 3.1 point 5 waits 10 s after an address in use, so that nobody asks in a circle: here, after this many. */
const PATIENT_DECLINES = 3;
const DECLINE_PAUSE = 10_000;
/** setTimeout's limit, 2³¹ − 1 ms; what is due later is looked at again then. */
const LONGEST_WAIT = 0x7fffffff;

/**
 * A client of RFC 2131 for one link, without clock or socket: told what happens, it says what to do. A new address is used
 * when nobody answers for it by ARP (section 2.2, RFC 5227); else it is declined, and another one asked for.
 */
export class DhcpClient {
  readonly #identity: DhcpIdentity;
  readonly #random: () => number;
  #state: State = { phase: 'selecting' };
  #xid = 0;
  #attempt = 0;
  #began = 0;
  #declines = 0;

  /** @param random from 0 to 1, as Math.random */
  constructor(identity: DhcpIdentity, random: () => number) {
    this.#identity = identity;
    this.#random = random;
  }

  /** Asks for an address. @param wanted one it would like to have */
  start(now: number, wanted?: IpAddress): Step {
    this.#enter({ phase: 'selecting', ...(wanted === undefined ? {} : { wanted }) }, now);
    return this.#ask(now);
  }

  /** Goes on with a lease of before: prolongs it where that is due, asks for the same address where it has ended. */
  resume(lease: Lease, now: number): Step {
    if (now >= ends(lease)) {
      this.#enter({ phase: 'rebooting', wanted: addressIn(lease) }, now);
      return { ...this.#ask(now), lease: null };
    }
    this.#state = { phase: 'bound', lease };
    return this.timeout(now);
  }

  /** The message that gives the lease back; undefined when there is none. */
  release(now: number): Outgoing | undefined {
    const state = this.#state;
    const lease = 'lease' in state ? state.lease : state.phase === 'probing' ? state.given : undefined;
    if (lease === undefined) return undefined;
    this.#enter({ phase: 'selecting' }, now);
    const options = new Map([
      [OPTION.messageType, Uint8Array.of(MESSAGE.release)],
      [OPTION.server, addressBytes(lease.server)],
      [OPTION.clientId, this.#identity.clientId],
    ]);
    const message = this.#message(options, addressIn(lease), now);
    return { message, from: addressIn(lease), to: { address: lease.server, mac: lease.serverMac } };
  }

  /** What it waited for did not happen, or a time of the lease has come. */
  timeout(now: number): Step {
    const state = this.#state;
    if (state.phase === 'probing') return this.#probe(state.given, state.probes, now);
    if (!('lease' in state)) return this.#retry(state, now);
    const { lease } = state;
    if (now >= ends(lease)) {
      this.#enter({ phase: 'selecting', wanted: addressIn(lease) }, now);
      return { ...this.#ask(now), lease: null };
    }
    if (now >= lease.obtained + lease.rebindAfter * 1000) {
      if (state.phase !== 'rebinding') this.#enter({ phase: 'rebinding', lease }, now);
      return this.#ask(now);
    }
    if (now >= lease.obtained + lease.renewAfter * 1000) {
      if (state.phase !== 'renewing') this.#enter({ phase: 'renewing', lease }, now);
      return this.#ask(now);
    }
    return { wait: this.#pause(now) };
  }

  /** @param mac who sent it @returns undefined for what is no answer to this client */
  receive(reply: DhcpMessage, mac: MacAddress, now: number): Step | undefined {
    if (reply.op !== 2 || reply.xid !== this.#xid || reply.mac !== this.#identity.mac) return undefined;
    const type = reply.options.get(OPTION.messageType)?.[0];
    const [server] = addressesOf(reply, OPTION.server);
    const state = this.#state;
    if (state.phase === 'bound' || state.phase === 'probing') return undefined;
    if (type === MESSAGE.offer && state.phase === 'selecting' && server !== undefined) {
      this.#state = { phase: 'requesting', wanted: reply.yours, server };
      this.#attempt = 0;
      return this.#ask(now);
    }
    if (state.phase === 'selecting') return undefined;
    if (type === MESSAGE.nak) return this.#refused(now);
    if (type !== MESSAGE.ack) return undefined;
    const lease = readLease(reply, mac, now);
    if (lease === undefined) return undefined;
    return 'lease' in state ? this.#bind(lease, now) : this.#probe(lease, PROBES, now);
  }

  /** Somebody else has the address that is being probed. @returns undefined when none is */
  conflict(now: number): Step | undefined {
    const state = this.#state;
    if (state.phase !== 'probing') return undefined;
    const { server } = state.given;
    this.#enter({ phase: 'selecting' }, now);
    this.#declines++;
    const options = new Map([
      [OPTION.messageType, Uint8Array.of(MESSAGE.decline)],
      [OPTION.requestedAddress, addressBytes(addressIn(state.given))],
      [OPTION.server, addressBytes(server)],
      [OPTION.clientId, this.#identity.clientId],
    ]);
    const send = { message: this.#message(options, NOWHERE, now), from: NOWHERE };
    return { send, wait: this.#declines > PATIENT_DECLINES ? DECLINE_PAUSE : 0 };
  }

  #probe(given: Lease, probes: number, now: number): Step {
    if (probes === 0) return this.#bind(given, now);
    this.#state = { phase: 'probing', given, probes: probes - 1 };
    return { probe: addressIn(given), wait: PROBE_PAUSE };
  }

  #bind(lease: Lease, now: number): Step {
    this.#declines = 0;
    this.#state = { phase: 'bound', lease };
    return { lease, wait: this.#pause(now) };
  }

  /** Section 3.1 point 5 and 4.4.5: all begins anew, and an address in use is given up. */
  #refused(now: number): Step {
    const had = 'lease' in this.#state;
    this.#enter({ phase: 'selecting' }, now);
    return { ...this.#ask(now), ...(had ? { lease: null } : {}) };
  }

  #retry(state: State, now: number): Step {
    if ((state.phase === 'requesting' || state.phase === 'rebooting') && this.#attempt >= REQUESTS) {
      this.#enter({ phase: 'selecting' }, now);
    }
    return this.#ask(now);
  }

  #enter(state: State, now: number): void {
    this.#state = state;
    this.#xid = Math.floor(this.#random() * 0x100000000);
    this.#attempt = 0;
    this.#began = now;
  }

  #ask(now: number): Step {
    this.#attempt++;
    const state = this.#state;
    const options = this.#options();
    const active = 'lease' in state ? addressIn(state.lease) : NOWHERE;
    const message = this.#message(options, active, now);
    const renewing = state.phase === 'renewing' ? state.lease : undefined;
    const to = renewing === undefined ? {} : { to: { address: renewing.server, mac: renewing.serverMac } };
    return { send: { message, from: active, ...to }, wait: this.#pause(now) };
  }

  #options(): Map<number, Uint8Array> {
    const state = this.#state;
    const { clientId, hostName } = this.#identity;
    const type = state.phase === 'selecting' ? MESSAGE.discover : MESSAGE.request;
    const options = new Map<number, Uint8Array>([
      [OPTION.messageType, Uint8Array.of(type)],
      [OPTION.clientId, clientId],
    ]);
    if (hostName !== '') options.set(OPTION.hostName, Buffer.from(hostName.slice(0, 255), 'utf8'));
    if ('wanted' in state && state.wanted !== undefined) {
      options.set(OPTION.requestedAddress, addressBytes(state.wanted));
    }
    if (state.phase === 'requesting') options.set(OPTION.server, addressBytes(state.server));
    const { subnetMask, router, dns, leaseTime, renewalTime, rebindingTime } = OPTION;
    options.set(OPTION.parameters, Uint8Array.of(subnetMask, router, dns, leaseTime, renewalTime, rebindingTime));
    return options;
  }

  #message(options: ReadonlyMap<number, Uint8Array>, client: IpAddress, now: number): DhcpMessage {
    const seconds = Math.floor((now - this.#began) / 1000);
    // A link without an address hears unicast as well, since all of its frames are listened to.
    return {
      op: 1,
      xid: this.#xid,
      seconds,
      broadcast: false,
      client,
      yours: NOWHERE,
      mac: this.#identity.mac,
      options,
    };
  }

  /** Milliseconds until there is something to do. */
  #pause(now: number): number {
    const state = this.#state;
    if (!('lease' in state)) {
      const jitter = (this.#random() - 0.5) * FIRST_RETRY;
      return Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** (this.#attempt - 1)) + jitter;
    }
    const { lease, phase } = state;
    const { renewAfter, rebindAfter, endsAfter } = lease;
    const after = phase === 'bound' ? renewAfter : phase === 'renewing' ? rebindAfter : endsAfter;
    const remaining = lease.obtained + after * 1000 - now;
    if (phase === 'bound') return Math.min(LONGEST_WAIT, Math.max(0, remaining));
    return Math.max(0, Math.min(remaining, Math.max(RENEWAL_PAUSE, remaining / 2)));
  }
}

function addressIn({ address }: Lease): IpAddress {
  return parseIpAddress(address.slice(0, address.indexOf('/')));
}

function ends({ obtained, endsAfter }: Lease): number {
  return obtained + endsAfter * 1000;
}

/** @returns undefined for an answer without what a lease needs */
function readLease(reply: DhcpMessage, serverMac: MacAddress, now: number): Lease | undefined {
  const [server] = addressesOf(reply, OPTION.server);
  const seconds = numberOf(reply, OPTION.leaseTime);
  const [gateway] = addressesOf(reply, OPTION.router);
  if (server === undefined || seconds === undefined || seconds === 0 || reply.yours === NOWHERE) return undefined;
  // 0xffffffff is for ever: 136 years are as good.
  const endsAfter = seconds;
  const rebindAfter = Math.min(numberOf(reply, OPTION.rebindingTime) ?? endsAfter * 0.875, endsAfter);
  return {
    address: withMask(reply),
    ...(gateway === undefined ? {} : { gateway }),
    dns: addressesOf(reply, OPTION.dns),
    server,
    serverMac,
    obtained: now,
    renewAfter: Math.min(numberOf(reply, OPTION.renewalTime) ?? endsAfter / 2, rebindAfter),
    rebindAfter,
    endsAfter,
  };
}

/** Without a mask: by the address's class (RFC 2131 leaves it to the client). */
function withMask(reply: DhcpMessage): InterfaceAddress {
  const mask = numberOf(reply, OPTION.subnetMask);
  const first = addressBytes(reply.yours)[0] ?? 0;
  const classful = first < 128 ? 8 : first < 192 ? 16 : 24;
  return interfaceAddress(reply.yours, mask === undefined ? classful : Math.clz32(~mask));
}
