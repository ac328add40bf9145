import { randomBytes } from 'node:crypto';
import { endpointMac } from '../drivers/mac.ts';
import { addressOf, familyOf, type InterfaceAddress, type IpAddress, type MacAddress } from '../model/address.ts';
import type { AttachedEnd, Attachment, AttachmentTarget } from '../model/attachment.ts';
import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { shortId } from '../model/network.ts';
import type { Owner } from '../model/resource.ts';
import { hostLink } from '../reconcile/host.ts';
import type { Core } from './core.ts';
import { withContainer } from './core.ts';
import { newId, timestamp } from './ids.ts';
import { attachmentOwner, enact } from './intent.ts';
import { freePair } from './link-addresses.ts';
import { findContainer } from './lookup.ts';
import type { State } from './state.ts';

/** Ethernet's. */
const DEFAULT_MTU = 1500;
/** Links of attachments are called this and the lowest free number, unless they are given a name. */
const PREFIX = 'link';
/** IFNAMSIZ − 1 bytes, without what the kernel (dev_valid_name) and the shell cannot take. */
const NAME = /^(?!\.{1,2}$)[^\s/:'"*\\]{1,15}$/;

/** What is asked of one container's end. */
export interface EndRequest {
  /** Id or name */
  readonly container: string;
  readonly interfaceName?: string;
  readonly mac?: MacAddress;
  readonly addresses: readonly InterfaceAddress[];
  readonly gateways: readonly IpAddress[];
}

/** One line of `fairway attachments`. */
export interface AttachmentView {
  readonly id: string;
  /** "container db", "bridge br0", "switch ovs0 vlan 10", "parent eth0" */
  readonly to: string;
  readonly container: string;
  readonly link: string;
  readonly mac: MacAddress;
  readonly addresses: readonly InterfaceAddress[];
  readonly up: boolean;
}

/** Links in sandboxes that no network gave: between two containers, or to a bridge or a card of the host. */
export class Attachments {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Joins two containers by a veth pair of their own; at once when both run, else when they do. Without addresses they get the
   * lowest free pair of 169.254.192.0/18.
   * @throws EngineError in the words of the field that is wrong; then nothing has changed
   */
  async link(a: EndRequest, b: EndRequest, mtu = DEFAULT_MTU): Promise<string> {
    const { state } = this.#core;
    const [first, second] = [
      findContainer(state.containers, a.container),
      findContainer(state.containers, b.container),
    ];
    if (first.id === second.id) throw invalid(`Cannot link "${first.name}" to itself`);
    if ((a.addresses.length === 0) !== (b.addresses.length === 0)) {
      throw invalid('Cannot link: give an address for both containers, or for none');
    }
    return this.#holding([first.id, second.id], async () => {
      const [x, y] = a.addresses.length === 0 ? freePair([...state.attachments.values()]) : [a.addresses, b.addresses];
      const ends = [this.#end(first.id, { ...a, addresses: x }), this.#end(second.id, { ...b, addresses: y })] as const;
      return this.#add({ id: newId(), created: timestamp(), mtu, kind: 'pair', ends });
    });
  }

  /** Attaches a container to something of the host's. @throws EngineError as link(); notFound when the host has no such link */
  async attach(target: AttachmentTarget, request: EndRequest, mtu = DEFAULT_MTU): Promise<string> {
    const { id } = findContainer(this.#core.state.containers, request.container);
    checkTarget(target);
    return this.#holding([id], () => {
      const ends = [this.#end(id, request)] as const;
      return this.#add({ id: newId(), created: timestamp(), mtu, kind: 'host', ends, target });
    });
  }

  /** @param link its name in the sandbox @throws EngineError notFound */
  async detach(reference: string, link: string): Promise<void> {
    const { state } = this.#core;
    const container = findContainer(state.containers, reference);
    const held = attachmentsOf(state, container.id);
    const isMeant = (end: AttachedEnd) => end.container === container.id && end.interfaceName === link;
    const found = held.find(({ ends }) => ends.some(isMeant));
    if (found === undefined) {
      const names = attachedEnds(state, container.id).map(({ interfaceName }) => interfaceName);
      const known = names.length === 0 ? '' : `; it has ${names.join(', ')}`;
      throw new EngineError('notFound', `"${container.name}" has no attachment ${link}${known}`);
    }
    await this.#holding(
      found.ends.map((end) => end.container),
      () => enact(this.#core, { remove: { attachments: [found.id] } }),
    );
  }

  list(): AttachmentView[] {
    const { state } = this.#core;
    return [...state.attachments.values()].flatMap((attachment) =>
      attachment.ends.map((end) => ({
        id: shortId(attachment.id),
        to: targetName(state, attachment, end),
        container: nameOf(state, end),
        link: end.interfaceName,
        mac: end.mac,
        addresses: end.addresses,
        up: attachment.ends.every(({ container }) => state.containers.get(container)?.sandbox !== undefined),
      })),
    );
  }

  /** In the order of their ids, so that two who want the same containers do not wait for each other. */
  #holding<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    const [first, ...rest] = [...ids].sort();
    return first === undefined ? work() : withContainer(this.#core, first, () => this.#holding(rest, work));
  }

  async #add(attachment: Attachment): Promise<string> {
    await enact(this.#core, { put: { attachments: [attachment] } });
    return attachment.id;
  }

  /** For one who holds the container's lock. */
  #end(id: string, request: EndRequest): AttachedEnd {
    const { state } = this.#core;
    const container = findContainer(state.containers, id);
    refuseShared(state, container);
    checkAddresses(request);
    return {
      container: id,
      interfaceName: chooseName(state, container, request.interfaceName),
      mac: request.mac ?? endpointMac(randomBytes(6)),
      addresses: request.addresses,
      gateways: request.gateways,
    };
  }
}

/** What a container's start and end concern besides its networks. */
export function attachmentOwners(state: State, container: string): Owner[] {
  return attachmentsOf(state, container).map(({ id }) => attachmentOwner(id));
}

/** Those that have an end in the container. */
export function attachmentsOf(state: State, container: string): Attachment[] {
  return [...state.attachments.values()].filter(({ ends }) => ends.some((end) => end.container === container));
}

/** A container's own ends of its attachments. */
export function attachedEnds(state: State, container: string): AttachedEnd[] {
  return attachmentsOf(state, container).flatMap(({ ends }) => ends.filter((end) => end.container === container));
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}

/** @throws EngineError notFound, or invalidArgument for a link that is no bridge */
function checkTarget(target: AttachmentTarget): void {
  // Whether a switch has the bridge is the switch's to say.
  if (target.kind === 'switch') return;
  const name = target.kind === 'bridge' ? target.bridge : target.parent;
  const found = hostLink(name);
  if (found === undefined) throw new EngineError('notFound', `Cannot attach to ${name}: the host has no such link`);
  if (target.kind === 'bridge' && found.link.kind !== 'bridge') {
    throw invalid(`Cannot attach to ${name}: it is no bridge; use --parent for a network card`);
  }
  if (target.kind === 'parent' && name === 'lo') throw invalid('Cannot attach to lo: nothing can hang from it');
}

/** @throws EngineError invalidArgument for one that has no network of its own */
function refuseShared(state: State, { name, spec: { networkMode } }: Container): void {
  if (networkMode.kind === 'host') throw invalid(`Cannot attach "${name}": it is in host network mode`);
  if (networkMode.kind !== 'container') return;
  const owner = state.containers.get(networkMode.container)?.name ?? shortId(networkMode.container);
  throw invalid(`Cannot attach "${name}": its network is that of "${owner}"; attach that one`);
}

function checkAddresses({ addresses, gateways }: EndRequest): void {
  for (const list of [addresses.map(addressOf), gateways]) {
    if (new Set(list).size < list.length) throw invalid(`Cannot attach: ${list.join(' and ')} are the same address`);
  }
  if (new Set(gateways.map(familyOf)).size < gateways.length) {
    throw invalid(`Cannot attach: one gateway for each family, not ${gateways.join(' and ')}`);
  }
  for (const gateway of gateways) {
    if (addresses.some((address) => familyOf(address) === familyOf(gateway))) continue;
    throw invalid(`Cannot attach: gateway ${gateway} needs an IPv${familyOf(gateway)} address beside it`);
  }
}

function chooseName(state: State, container: Container, wanted: string | undefined): string {
  const links = [...attachedEnds(state, container.id), ...state.endpointsOf(container.id)];
  const taken = new Set(['lo', ...links.map(({ interfaceName }) => interfaceName)]);
  if (wanted !== undefined) {
    if (!NAME.test(wanted)) throw invalid(`invalid interface name: ${wanted}`);
    if (!taken.has(wanted)) return wanted;
    throw new EngineError('conflict', `Cannot attach "${container.name}": it has a link ${wanted} already`);
  }
  for (let number = 0; ; number++) if (!taken.has(`${PREFIX}${number}`)) return `${PREFIX}${number}`;
}

function nameOf(state: State, { container }: AttachedEnd): string {
  return state.containers.get(container)?.name ?? shortId(container);
}

function targetName(state: State, attachment: Attachment, own: AttachedEnd): string {
  if (attachment.kind === 'pair') {
    const other = attachment.ends.find((end) => end !== own);
    return `container ${other === undefined ? '' : nameOf(state, other)}`;
  }
  const { target } = attachment;
  if (target.kind === 'parent') return `parent ${target.parent}`;
  if (target.kind === 'bridge') return `bridge ${target.bridge}`;
  return `switch ${target.bridge}${target.tag === undefined ? '' : ` vlan ${target.tag}`}`;
}
