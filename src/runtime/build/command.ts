import { copyFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { BuildHooks, BuildOutput, BuildPlace, BuildSettings } from './builder.ts';
import { neededSecrets } from './needs.ts';
import { type BuildPlan, isStep } from './plan.ts';
import type { WorkFolder } from './work.ts';

/* Flags of `buildah build`. */

/** Layers of every step are kept for the next build; Docker's format, because the standard knows no health checks. */
export function commonFlags(policy: string, settings: BuildSettings): string[] {
  const { arguments: given, useCache, skipUnused, flags } = settings;
  return [
    ...['--signature-policy', policy, '--format', 'docker', '--layers', '--pull=never', '--force-rm'],
    ...['--identity-label=false', '--http-proxy=false', `--skip-unused-stages=${skipUnused}`],
    ...(useCache ? [] : ['--no-cache']),
    ...Object.entries(given).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...Object.entries(settings.labels).flatMap(([name, value]) =>
      isStep(name, value) ? [] : ['--label', `${name}=${value}`],
    ),
    ...flags,
  ];
}

/** buildah writes the files by itself, besides the image. */
export function outputFlags({ kind }: BuildOutput, work: WorkFolder): string[] {
  if (kind !== 'tar' && kind !== 'folder') return [];
  return ['--output', `type=${kind === 'tar' ? 'tar' : 'local'},dest=${work.output}`];
}

/** Secrets are files for as long as the build takes; nobody but who works there can read them. */
export async function secretFlags(plan: BuildPlan, work: WorkFolder, hooks: BuildHooks): Promise<string[]> {
  const flags: string[] = [];
  for (const [index, id] of neededSecrets(plan).entries()) {
    const secret = await hooks.secret(id);
    if (secret === undefined) continue;
    const path = join(work.path, `secret-${index}`);
    writeFileSync(path, secret, { mode: 0o600 });
    work.own(path);
    flags.push('--secret', `id=${id},src=${path}`);
  }
  return flags;
}

export function placeFlags({ network, cgroupNamespace, files }: BuildPlace, work: WorkFolder): string[] {
  // Ours take the place of those buildah would write. Commands may write to them, and nobody else shall see it.
  const mounts = Object.entries(files).flatMap(([inside, path]) => {
    const copy = join(work.path, basename(inside));
    copyFileSync(path, copy);
    work.own(copy);
    return ['--volume', `${copy}:${inside}`];
  });
  // buildah would mount them so that commands can write to them, and so to their own limits.
  const noCgroups = ['--volume', `${work.empty}:/sys/fs/cgroup:ro`];
  return ['--network', network, '--cgroupns', cgroupNamespace, '--no-hosts', '--dns=none', ...mounts, ...noCgroups];
}
