import type { Container } from '../../model/container.ts';
import { expression, TAG_FIELD } from './settings.ts';

/**
 * What the options `labels`, `labels-regex`, `env` and `env-regex` pick from a container.
 * @param rename for a driver that does not take any key
 */
export function pickAttributes({ spec, env }: Container, rename = (key: string) => key): Record<string, string> {
  const { options } = spec.logConfig;
  const variables = env.map((setting): [string, string] => {
    const end = setting.indexOf('=');
    return end < 0 ? [setting, ''] : [setting.slice(0, end), setting.slice(end + 1)];
  });
  const chosen = [
    ...choose(Object.entries(spec.labels), options['labels'], options['labels-regex']),
    ...choose(variables, options['env'], options['env-regex']),
  ];
  return Object.fromEntries(chosen.map(([key, value]) => [rename(key), value]));
}

function choose(all: readonly [string, string][], names = '', pattern = ''): [string, string][] {
  const wanted = new Set(names.split(','));
  const matcher = pattern === '' ? undefined : expression(pattern);
  return all.filter(([key]) => key !== '' && (wanted.has(key) || matcher?.test(key) === true));
}

/** The option `tag` with its fields filled in. @param otherwise the template when there is none */
export function tagOf(container: Container, otherwise: string): string {
  const { id, name, imageId, spec } = container;
  const image = imageId.replace(/^sha256:/, '');
  const fields: Readonly<Record<string, string>> = {
    ID: id.slice(0, 12),
    FullID: id,
    Name: name,
    ImageID: image.slice(0, 12),
    ImageFullID: imageId,
    ImageName: spec.image,
    DaemonName: 'docker',
  };
  const template = spec.logConfig.options['tag'] ?? '';
  return (template === '' ? otherwise : template).replaceAll(TAG_FIELD, (_, field: string) => fields[field] ?? '');
}
