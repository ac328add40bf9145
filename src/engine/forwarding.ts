import { readFileSync } from 'node:fs';
import { describeHost } from '../drivers/machine.ts';
import { NetworkNamespace } from '../kernel/netns.ts';
import { readSysctl, writeSysctl } from '../kernel/sysctl.ts';
import type { Owner, Resource } from '../model/resource.ts';
import type { State } from './state.ts';

const META_KEY = 'forwarding';

/** What is remembered: whether forwarding was off before Fairway, and for which boot that is true. */
interface Memory {
  readonly boot: string;
  readonly guard: boolean;
}

/**
 * IPv4 forwarding, which containers need to reach the outside. Where it was off before, the host was no router, and stays
 * none for others: the forward guard drops what is not ours. Whether it was off can be seen only once in a boot, so
 * that is remembered together with the boot's id.
 */
export class Forwarding {
  readonly #state: State;
  readonly #enabled: boolean;
  #guard: boolean | undefined;

  /** @param enabled false with `--ip-forward=false`: forwarding is left alone */
  constructor(state: State, enabled: boolean) {
    this.#state = state;
    this.#enabled = enabled;
  }

  /** What the host must hold now: nothing while there is no bridge network. */
  describe(): Map<Owner, readonly Resource[]> {
    const needed = this.#enabled && this.#state.networks.values().some(({ driver }) => driver === 'bridge');
    if (!needed) return new Map([['host', []]]);
    this.#guard ??= this.#recall();
    return new Map([['host', describeHost({ forwarding: true, forwardingGuard: this.#guard })]]);
  }

  /** Switches forwarding off again where Fairway had switched it on. */
  takeBack(): void {
    if (this.#guard === true) writeSysctl(NetworkNamespace.home(), 'net/ipv4/ip_forward', '0');
  }

  get on(): boolean {
    return readSysctl(NetworkNamespace.home(), 'net/ipv4/ip_forward') === '1';
  }

  #recall(): boolean {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const text = this.#state.meta(META_KEY);
    const memory = text === undefined ? undefined : (JSON.parse(text) as Memory);
    if (memory?.boot === boot) return memory.guard;
    const guard = !this.on;
    this.#state.setMeta(META_KEY, JSON.stringify({ boot, guard } satisfies Memory));
    return guard;
  }
}
