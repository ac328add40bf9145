import { readFileSync } from 'node:fs';
import type { HostForwarding } from '../drivers/machine.ts';
import { NetworkNamespace } from '../kernel/netns.ts';
import { readSysctl, writeSysctl } from '../kernel/sysctl.ts';
import { type AddressFamily, FAMILIES } from '../model/address.ts';
import { goOnHearingRouters, isRouter } from '../reconcile/router.ts';
import type { NetworkConfig } from './config.ts';
import type { State } from './state.ts';

const META_KEY = 'forwarding';

/** What is remembered: of each family whether forwarding was off before Fairway, and for which boot that is true. */
interface Memory {
  readonly boot: string;
  readonly guards: Readonly<Partial<Record<AddressFamily, boolean>>>;
}

/**
 * Forwarding, which containers need to reach the outside. Where it was off before, the host was no router, and stays none
 * for others: the forward guard drops what is not ours. Whether it was off can be seen only once in a boot, so that is
 * remembered together with the boot's id. IPv6 is left alone until the first network that has it.
 */
export class Forwarding {
  readonly #state: State;
  readonly #config: Pick<NetworkConfig, 'ipForward' | 'ipForwardNoDrop'>;
  #memory: Memory | undefined;

  /** @param config ipForward: false with `--ip-forward=false`, forwarding is left alone */
  constructor(state: State, config: Pick<NetworkConfig, 'ipForward' | 'ipForwardNoDrop'>) {
    this.#state = state;
    this.#config = config;
  }

  /** What must be forwarded now: nothing while there is no bridge network. */
  needed(): HostForwarding[] {
    const families = this.#config.ipForward ? FAMILIES.filter((family) => this.#needs(family)) : [];
    return families.map((family) => this.#forward(family));
  }

  /** Switches forwarding off again where Fairway had switched it on. */
  takeBack(): void {
    const home = NetworkNamespace.home();
    const { guards } = this.#recall();
    if (guards[4] === true) writeSysctl(home, 'net/ipv4/ip_forward', '0');
    if (guards[6] === true) {
      for (const which of ['all', 'default']) writeSysctl(home, `net/ipv6/conf/${which}/forwarding`, '0');
    }
  }

  get on(): boolean {
    return readSysctl(NetworkNamespace.home(), 'net/ipv4/ip_forward') === '1';
  }

  /** What was switched on stays on, also after the last network that needed it, and so does what guards it. */
  #needs(family: AddressFamily): boolean {
    if (this.#recall().guards[family] === true) return true;
    return this.#state.networks
      .values()
      .some(({ driver, ipv4, ipv6 }) => driver === 'bridge' && (family === 4 ? ipv4 : ipv6));
  }

  #forward(family: AddressFamily): HostForwarding {
    const memory = this.#recall();
    const known = memory.guards[family];
    const off = known ?? !isRouter(family);
    if (known === undefined) {
      // Only now, since it is the switch that makes the kernel forget its routers.
      if (family === 6 && off) goOnHearingRouters();
      this.#memory = { ...memory, guards: { ...memory.guards, [family]: off } };
      this.#state.setMeta(META_KEY, JSON.stringify(this.#memory satisfies Memory));
    }
    return { family, guard: off && !this.#config.ipForwardNoDrop };
  }

  #recall(): Memory {
    if (this.#memory !== undefined) return this.#memory;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const text = this.#state.meta(META_KEY);
    const written = text === undefined ? undefined : (JSON.parse(text) as Memory);
    this.#memory = written?.boot === boot ? written : { boot, guards: {} };
    return this.#memory;
  }
}
