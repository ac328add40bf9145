import { test } from 'node:test';
import { Random } from '../fuzz/random.ts';
import { DamagedStores } from '../fuzz/store-damage.ts';

const CASES = Number(process.env['FAIRWAY_DAMAGE_CASES'] ?? 20_000);

test('damaged stores: each is refused by name, or holds what it held', (t) => {
  using stores = new DamagedStores();
  const random = new Random(Number(process.env['FAIRWAY_FUZZ_SEED'] ?? 1));
  const refused = Array.from({ length: CASES }, () => stores.try(random)).filter(Boolean).length;
  t.diagnostic(`${CASES} damaged stores: ${refused} refused, ${CASES - refused} held what they had held`);
});
