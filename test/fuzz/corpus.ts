/** Inputs that once showed a defect, by the target's name, as the fuzzer found them. */
export const CORPUS: readonly (readonly [target: string, input: string])[] = [
  ['images/platform', 'constructor'],
  ['images/changes', 'HEALTHCHECK --constructor=1s CMD x'],
  ['spec/accounts', 'root:x:0:zero::/:/bin/sh\nwww:x:33:\n'],
  ['config/values', 'toString'],
  ['config/daemon.json', '{"log-level":"constructor"}'],
  ['logs/options', '{"driver":"toString","options":{}}'],
  ['registry/failure', '{"errors":[{"code":"constructor"}]}'],
  ['registry/failure', '{"errors":[{"code":"__proto__","message":"x"}]}'],
  ['api/network', '{"Name":"a","constructor":1}'],
  ['programs/nft', '{"nftables":[{"set":{"name":"carried","elem":[{"concat":["a\\"b","a\\"b"]}]}}]}'],
];
