import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DriverOptions } from '../model/network.ts';
import { withDefaults } from './network-request.ts';
import type { NetworkRequest } from './requests.ts';

const V4 = 'com.docker.network.enable_ipv4';
const V6 = 'com.docker.network.enable_ipv6';
const NOTHING: NetworkRequest = {
  ...{ name: 'app', driver: '', internal: false, attachable: false, pools: [], ipamDriver: '' },
  ...{ ipamOptions: null, driverOptions: {}, labels: {} },
};

type Asked = Partial<Pick<NetworkRequest, 'ipv4' | 'ipv6' | 'driverOptions'>>;

/** What Docker 28.5.2 makes of these. */
const CASES: readonly (readonly [
  defaults: DriverOptions | undefined,
  asked: Asked,
  families: readonly [ipv4: boolean, ipv6: boolean],
  shown: DriverOptions,
])[] = [
  [undefined, {}, [true, false], {}],
  [{ [V6]: 'true' }, {}, [true, true], { [V6]: 'true' }],
  [{ [V6]: 'true' }, { driverOptions: { [V6]: '0' } }, [true, false], { [V6]: '0' }],
  [{ [V6]: 'true' }, { ipv6: false }, [true, false], {}],
  [{ [V6]: 'true' }, { ipv6: true }, [true, true], {}],
  [{ [V4]: 'false', a: 'b' }, { ipv4: true, ipv6: true }, [true, true], { a: 'b' }],
  [{ [V4]: 'false', [V6]: 'true' }, {}, [false, true], { [V4]: 'false', [V6]: 'true' }],
  [{ [V4]: 'false', [V6]: 'true' }, { ipv4: false }, [false, true], { [V6]: 'true' }],
  [{ [V4]: 'false' }, { driverOptions: { [V4]: 'T' } }, [true, false], { [V4]: 'T' }],
  [{ [V6]: 'perhaps' }, { ipv6: true }, [true, true], {}],
];

test('families: what the request says of one, else its option, else the daemon’s, else IPv4 alone', () => {
  for (const [defaults, asked, families, shown] of CASES) {
    const { ipv4, ipv6, driverOptions } = withDefaults({ ...NOTHING, ...asked }, defaults);
    assert.deepEqual([ipv4, ipv6, driverOptions], [...families, shown], JSON.stringify([defaults, asked]));
  }
});

test('an option that is no bool is refused, whoever gave it', () => {
  const words = { kind: 'invalidArgument', message: `driver-opt "${V6}" is not a valid bool` };
  assert.throws(() => withDefaults({ ...NOTHING, driverOptions: { [V6]: '' } }), words);
  assert.throws(() => withDefaults(NOTHING, { [V6]: 'perhaps' }), words);
});
