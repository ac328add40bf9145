import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIgnoreFile } from './ignore.ts';

test('.dockerignore: comments, blanks, exclamation marks, slashes', () => {
  const text =
    '\ufeff# no pattern\n \n  *.md  \n! readme.md\n!\t/docs/../kept/ \r\n/root\n# \n #hash\na//b/./c/\n/\n!\n';
  assert.deepEqual(parseIgnoreFile(text), ['*.md', '!readme.md', '!kept', 'root', '#hash', 'a/b/c', '/', '!']);
  assert.deepEqual(parseIgnoreFile(''), []);
});
