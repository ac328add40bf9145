import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newestApiVersion, parseApiVersion } from '../version.ts';
import { parseConnect, parseDisconnect, parseNetworkRequest } from './network.ts';

describe('network create', () => {
  test('everything Fairway knows', () => {
    const request = parseNetworkRequest(
      {
        Name: 'a b/*',
        Driver: 'bridge',
        Scope: 'local',
        CheckDuplicate: true,
        Internal: true,
        EnableIPv4: false,
        EnableIPv6: true,
        Attachable: true,
        IPAM: {
          Driver: 'default',
          Options: { o: '1' },
          Config: [
            {
              Subnet: '10.1.0.0/16',
              IPRange: '10.1.2.0/24',
              Gateway: '10.1.0.9',
              AuxiliaryAddresses: { r: '10.1.0.7' },
            },
          ],
        },
        Options: { 'com.docker.network.bridge.name': 'br9' },
        Labels: { l: '1' },
      },
      newestApiVersion(),
    );
    assert.deepEqual(request, {
      name: 'a b/*',
      driver: 'bridge',
      internal: true,
      ipv4: false,
      ipv6: true,
      attachable: true,
      pools: [{ subnet: '10.1.0.0/16', range: '10.1.2.0/24', gateway: '10.1.0.9', auxiliary: { r: '10.1.0.7' } }],
      ipamDriver: 'default',
      ipamOptions: { o: '1' },
      driverOptions: { 'com.docker.network.bridge.name': 'br9' },
      labels: { l: '1' },
    });
  });

  test('IPv4 can be done without since API 1.48; what older clients say of it means nothing', () => {
    const asked = (version: string) =>
      parseNetworkRequest({ Name: 'n', EnableIPv4: false, EnableIPv6: true }, parseApiVersion(version));
    assert.deepEqual([asked('1.48').ipv4, asked('1.47').ipv4, asked('1.47').ipv6], [false, undefined, true]);
  });

  const REFUSED: readonly (readonly [object, string | RegExp])[] = [
    [{ Name: ' ' }, 'invalid name: name is empty'],
    [{ Name: 'n', Ingress: true }, '--ingress (Ingress) is not supported by Fairway yet'],
    [{ Name: 'n', Scope: 'swarm' }, 'cannot create a swarm scoped network when swarm is not active'],
  ];
  for (const [body, words] of REFUSED) {
    test(`${JSON.stringify(body)} is refused`, () =>
      assert.throws(() => parseNetworkRequest(body, newestApiVersion()), { kind: 'invalidArgument', message: words }));
  }
});

test('connect does not read the MAC address that inspect shows', () => {
  const shown = { NetworkID: 'n', MacAddress: '02:00:00:00:00:01', Aliases: ['www'] };
  assert.deepEqual(parseConnect('n', { Container: 'web', EndpointConfig: shown }).endpoint, {
    network: 'n',
    aliases: ['www'],
    driverOptions: {},
    gatewayPriority: 0,
  });
});

test('connect and disconnect need a container', () => {
  assert.throws(() => parseConnect('n', {}), { message: 'invalid container name or ID: value is empty' });
  assert.throws(() => parseDisconnect(undefined), { message: 'invalid container name or ID: value is empty' });
  assert.deepEqual(parseDisconnect({ Container: 'c', Force: true }), { container: 'c', force: true });
});
