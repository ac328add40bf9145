/** Inputs that once showed a defect, by the target's name, as the fuzzer showed them. */
export const CORPUS: readonly (readonly [target: string, input: string])[] = [
  ['images/platform', 'constructor'],
  ['images/changes', 'HEALTHCHECK --constructor=1s CMD x'],
  ['spec/accounts', 'root:x:0:zero::/:/bin/sh\nwww:x:33:\n'],
  ['config/values', 'toString'],
  ['config/daemon.json', '{"log-level":"constructor"}'],
  ['config/daemon.json', '{"default-address-pools":[{"base":{"toString":1},"size":24}]}'],
  [
    'images/archive',
    'base64 7dVNCsIwFATgt3DVU+QEdtKmqVB6EnHxxL+KtsWk4PEFwUoFcZWkYL7NW85sJrly2xz2xi7PpmvJDQDQSj0vgPFWeMkIbwQJlWsScNRnYjCWbwQvWTO03oRuEIXU8915xrf9j4vPi+n+oQutSbhvFvcvV6Jne6o53aaXrj0mMhNDs6sVgCR0ucg59pDxc/+Qn/tHWf71/7/wFeTljY1m6wE=',
  ],
  [
    'images/archive',
    'base64 7ZVNCoMwFISz9hQ5QTKJSexGepDSReyvpVWpCj1Wj1go1FKhKJWohXybl0XIDDxmcrFZut+VFTuVeUbcAABGqecE0Mw7XkiCNwQCKjSEYpjsstetuqzslWCg1t+yWk/twDMlhb051/iW/ybxof7MP4w2hlD3znz+xYIWtjrGlif8nGeHQEhap9tYAQimNudxgB1BozPxEO3EI4oG//j9mH/iGeNO3x+lWD2zJRlBo7sC2mejtCZUMsadV9T8K8ApmxE0fti/VJJQ0b38Bw==',
  ],
  ['logs/options', '{"driver":"toString","options":{}}'],
  ['registry/failure', '{"errors":[{"code":"constructor"}]}'],
  ['registry/failure', '{"errors":[{"code":"__proto__","message":"x"}]}'],
  ['api/network', '{"Name":"a","constructor":1}'],
  ['programs/nft', '{"nftables":[{"set":{"name":"carried","elem":[{"concat":["a\\"b","a\\"b"]}]}}]}'],
];
