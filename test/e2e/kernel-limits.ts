import type { TestHost } from '../host.ts';

/** Where a limit stands: v1's controller and file, v2's file (Documentation/admin-guide/cgroup-v1, cgroup-v2.rst). */
const FILES = {
  memory: ['memory/memory.limit_in_bytes', 'memory.max'],
  reservation: ['memory/memory.soft_limit_in_bytes', 'memory.low'],
  pids: ['pids/pids.max', 'pids.max'],
  cpus: ['cpuset/cpuset.cpus', 'cpuset.cpus'],
  mems: ['cpuset/cpuset.mems', 'cpuset.mems'],
} as const;

/** The kernel's word on a container's limits, in one form for both versions of cgroups. */
export class KernelLimits {
  readonly #host: TestHost;
  readonly unified: boolean;
  readonly #path: string;

  private constructor(host: TestHost, unified: boolean, path: string) {
    this.#host = host;
    this.unified = unified;
    this.#path = path;
  }

  /** @param path below every hierarchy's root: "/fairway/ID" */
  static async of(host: TestHost, path: string): Promise<KernelLimits> {
    const found = await host.exec(['test', '-e', '/sys/fs/cgroup/cgroup.controllers']);
    return new KernelLimits(host, found.code === 0, path);
  }

  /** A limit in bytes, a number of processes, or a list of processors; "max" where there is none. */
  async limit(name: keyof typeof FILES): Promise<string> {
    const text = await this.read(FILES[name][0], FILES[name][1]);
    // v1 says "none" by the largest multiple of a page.
    return /^9223372036854\d{6}$/.test(text) ? 'max' : text;
  }

  /** Bytes of memory and swap together */
  async swap(): Promise<string> {
    if (!this.unified) return this.#file('memory/memory.memsw.limit_in_bytes');
    return String(Number(await this.#file('memory.max')) + Number(await this.#file('memory.swap.max')));
  }

  /** Microseconds of running, and in how many: "50000 100000" */
  async quota(): Promise<string> {
    if (this.unified) return this.#file('cpu.max');
    const [quota, period] = [await this.#file('cpu/cpu.cfs_quota_us'), await this.#file('cpu/cpu.cfs_period_us')];
    return `${quota === '-1' ? 'max' : quota} ${period}`;
  }

  /** A weight of v1's range; v2's has another one, into which runc converts (runc: ConvertCPUSharesToCgroupV2Value). */
  async hasShares(shares: number): Promise<boolean> {
    const wanted = this.unified ? 1 + Math.floor(((shares - 2) * 9999) / 262142) : shares;
    return Number(await this.read('cpu/cpu.shares', 'cpu.weight')) === wanted;
  }

  /** "254:0 1048576", or what v2's file says in its own words */
  async readBytesASecond(): Promise<string> {
    const text = await this.read('blkio/blkio.throttle.read_bps_device', 'io.max');
    return text.replace(/ rbps=(\d+).*$/, ' $1');
  }

  read(legacy: string, unified: string): Promise<string> {
    return this.#file(this.unified ? unified : legacy);
  }

  #file(name: string): Promise<string> {
    const controller = this.unified ? '' : (name.split('/')[0] ?? '');
    const file = name.split('/').at(-1) ?? '';
    return this.#host.out(['cat', `/sys/fs/cgroup/${controller}${this.#path}/${file}`]);
  }
}
