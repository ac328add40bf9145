import type { ContainerCommit } from '../../engine/container-commit.ts';
import { healthSection } from '../../model/health.ts';
import { Fields } from './fields.ts';
import { readHealthCheck } from './health.ts';
import { parseExposedPorts } from './ports.ts';
import { queryFlag } from './query.ts';

/** What says how one container runs, and means nothing for an image. */
const OF_CONTAINERS = [
  ...['Hostname', 'Domainname', 'AttachStdin', 'AttachStdout', 'AttachStderr', 'Tty', 'OpenStdin', 'StdinOnce'],
  ...['Image', 'ArgsEscaped', 'NetworkDisabled', 'MacAddress', 'StopTimeout'],
];

/** They count in the query; dockerode repeats them in the body. */
const IN_QUERY = ['container', 'repo', 'tag', 'author', 'comment', 'changes', 'pause'];

/**
 * POST /commit: where to in the query, and in the body whatever of the configuration is to be otherwise.
 * @throws EngineError invalidArgument
 */
export function parseCommit(query: URLSearchParams, body: unknown): ContainerCommit {
  const pause = query.get('pause') ?? '';
  return {
    repository: query.get('repo') ?? '',
    tag: query.get('tag') ?? '',
    author: query.get('author') ?? '',
    comment: query.get('comment') ?? '',
    changes: query.getAll('changes'),
    pause: pause === '' || queryFlag(query, 'pause'),
    given: parseGiven(new Fields(body, '')),
  };
}

function parseGiven(fields: Fields): ContainerCommit['given'] {
  const keys = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  const healthCheck = readHealthCheck(fields.child('Healthcheck'));
  const given = {
    User: fields.text('User'),
    Env: fields.texts('Env'),
    Cmd: fields.command('Cmd'),
    Entrypoint: fields.command('Entrypoint'),
    WorkingDir: fields.text('WorkingDir'),
    ExposedPorts: keys(parseExposedPorts(fields.entries('ExposedPorts'))),
    Volumes: keys(fields.entries('Volumes').map(([path]) => path)),
    Labels: fields.map('Labels'),
    StopSignal: fields.text('StopSignal'),
    OnBuild: fields.texts('OnBuild'),
    Healthcheck: healthCheck.test.length > 0 ? healthSection(healthCheck) : undefined,
  };
  fields.ignore(...OF_CONTAINERS, ...IN_QUERY);
  fields.close();
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== ''));
}
