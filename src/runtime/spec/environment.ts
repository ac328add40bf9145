const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Lays settings over others: "NAME=value" replaces or adds, and "NAME" alone removes, as Docker reads `-e NAME`.
 * Order is kept, since programs show it.
 */
export function overlayEnvironment(base: readonly string[], over: readonly string[]): string[] {
  const byName = new Map(base.map((setting) => [nameOf(setting), setting]));
  for (const setting of over) {
    if (setting.includes('=')) byName.set(nameOf(setting), setting);
    else byName.delete(setting);
  }
  return [...byName.values()];
}

/** What the user says, as it was said, and of the image what the user says nothing about (moby: daemon/commit.go, merge). */
export function mergeEnvironment(own: readonly string[], image: readonly string[]): string[] {
  const said = new Set(own.map(nameOf));
  return [...own, ...image.filter((setting) => !said.has(nameOf(setting)))];
}

/** What a container's process finds before the image and the user add theirs. HOME is set by runc, from /etc/passwd. */
export function defaultEnvironment(hostname: string, tty: boolean): string[] {
  return [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${hostname}`, ...(tty ? ['TERM=xterm'] : [])];
}

function nameOf(setting: string): string {
  const equals = setting.indexOf('=');
  return equals < 0 ? setting : setting.slice(0, equals);
}
