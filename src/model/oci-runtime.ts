/** A program that runs containers as the OCI runtime specification says, in runc's place: crun, nvidia-container-runtime. */
export interface OciRuntime {
  /** Of the program; without a slash it is looked up on containerd's PATH */
  readonly path: string;
  /** Come before those of each call */
  readonly args: readonly string[];
}

/** The runtimes that containers can ask for, beside runc. */
export interface OciRuntimes {
  readonly byName: Readonly<Record<string, OciRuntime>>;
  /** Name of what containers have that ask for none */
  readonly chosen: string;
}

/** Docker's names of runc itself. */
const RUNC_NAMES: readonly string[] = ['runc', 'io.containerd.runc.v2'];

/** A container that names none has runc. */
export function isRunc(name = 'runc'): boolean {
  return RUNC_NAMES.includes(name);
}
