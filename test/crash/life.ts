import type { Operation } from './machine.ts';

/** The container that most operations are about. */
export const SUBJECT = 'subject';
const CONTAINER = {
  Image: 'busybox',
  Cmd: ['sh', '-c', 'trap "exit 3" TERM; echo hello; sleep 1000 & wait'],
  Volumes: { '/data': {} },
  ExposedPorts: { '80/tcp': {} },
  HostConfig: { NetworkMode: 'app', PortBindings: { '80/tcp': [{ HostPort: '8081' }] } },
  NetworkingConfig: { EndpointsConfig: { app: { Aliases: ['alias'] } } },
};
const PORTS = { Ports: ['127.0.0.1:8082:80', '5353:53/udp'] };
const of = (verb: string) => `/containers/${SUBJECT}/${verb}`;

/** The life of a container and of a network: each operation begins where the one before it ended, the last one ends at the beginning. */
export const LIFE: readonly Operation[] = [
  { name: 'network create', method: 'POST', path: '/networks/create', body: { Name: 'side', EnableIPv6: true } },
  { name: 'create', method: 'POST', path: `/containers/create?name=${SUBJECT}`, body: CONTAINER },
  { name: 'start', method: 'POST', path: of('start') },
  { name: 'connect', method: 'POST', path: '/networks/side/connect', body: { Container: SUBJECT } },
  { name: 'port add', method: 'POST', path: `/fairway${of('ports')}`, body: PORTS },
  { name: 'port rm', method: 'DELETE', path: `/fairway${of('ports')}`, body: PORTS },
  { name: 'disconnect', method: 'POST', path: '/networks/side/disconnect', body: { Container: SUBJECT } },
  { name: 'stop', method: 'POST', path: of('stop?t=5') },
  { name: 'start again', method: 'POST', path: of('start') },
  { name: 'restart', method: 'POST', path: of('restart?t=5') },
  { name: 'kill', method: 'POST', path: of('kill') },
  { name: 'start once more', method: 'POST', path: of('start') },
  { name: 'rm -f', method: 'DELETE', path: `/containers/${SUBJECT}?force=1&v=1` },
  { name: 'network rm', method: 'DELETE', path: '/networks/side' },
];
