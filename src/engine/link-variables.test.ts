import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import { linkVariables } from './link-variables.ts';

const address = parseIpAddress('172.17.0.2');

test('a link is told in Docker’s variables', () => {
  const env = ['PATH=/bin', 'HOME=/', 'POSTGRES_USER=me', 'QUERY=a=b'];
  assert.deepEqual(linkVariables({ name: '/web/my-db', alias: 'my-db', address, ports: ['53/udp', '5432/tcp'], env }), [
    'MY_DB_PORT=tcp://172.17.0.2:5432',
    'MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432',
    'MY_DB_PORT_5432_TCP_ADDR=172.17.0.2',
    'MY_DB_PORT_5432_TCP_PORT=5432',
    'MY_DB_PORT_5432_TCP_PROTO=tcp',
    'MY_DB_PORT_53_UDP=udp://172.17.0.2:53',
    'MY_DB_PORT_53_UDP_ADDR=172.17.0.2',
    'MY_DB_PORT_53_UDP_PORT=53',
    'MY_DB_PORT_53_UDP_PROTO=udp',
    'MY_DB_NAME=/web/my-db',
    'MY_DB_ENV_POSTGRES_USER=me',
    'MY_DB_ENV_QUERY=a=b',
  ]);
});

test('ports in a row have a beginning and an end', () => {
  const variables = linkVariables({
    name: '/a/b',
    alias: 'b',
    address,
    ports: ['81/tcp', '80/tcp', '90/tcp'],
    env: [],
  });
  assert.deepEqual(variables.slice(0, 7), [
    'B_PORT=tcp://172.17.0.2:80',
    'B_PORT_80_TCP_START=tcp://172.17.0.2:80',
    'B_PORT_80_TCP_ADDR=172.17.0.2',
    'B_PORT_80_TCP_PROTO=tcp',
    'B_PORT_80_TCP_PORT_START=80',
    'B_PORT_80_TCP_END=tcp://172.17.0.2:81',
    'B_PORT_80_TCP_PORT_END=81',
  ]);
});

test('without ports, the name and the variables alone', () => {
  assert.deepEqual(linkVariables({ name: '/a/b', alias: 'b', address, ports: [], env: ['X'] }), ['B_NAME=/a/b']);
});
