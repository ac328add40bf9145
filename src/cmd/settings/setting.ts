/** One setting of the daemon: a flag of dockerd's name and meaning, and its key in daemon.json. */
export interface Setting {
  /** The long name without its dashes */
  readonly flag: string;
  /** One letter: `-H` */
  readonly short?: string;
  /** In daemon.json; undefined: only a flag */
  readonly key?: string;
  /** In daemon.json alone; there is no flag */
  readonly fileOnly?: true;
  readonly kind: 'text' | 'flag' | 'list';
  /** What `--help` calls the value */
  readonly value?: string;
  /** How daemon.json writes it, where that is neither text, nor a number, nor a list of them */
  readonly shape?: 'pairs' | 'ulimits' | 'driver-options' | 'runtimes' | 'any';
  readonly help: string;
  /** dockerd's, without an effect here: taken, and this said of it once */
  readonly foreign?: string;
  /** Not in `--help`, as in dockerd */
  readonly hidden?: true;
}

/** A group of settings, by the names the program uses. */
export type Settings = Readonly<Record<string, Setting>>;
