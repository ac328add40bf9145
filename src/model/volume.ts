/** A named directory that outlives containers. */
export interface Volume {
  /** The name: 64 hexadecimal digits for an anonymous one */
  readonly id: string;
  /** RFC 3339, seconds */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the local driver: type, device, o */
  readonly options: Readonly<Record<string, string>>;
}

/** Docker's mark of a volume nobody gave a name. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
