import { expect, it } from 'vitest';
import { fits } from '../src/version';

it.each([
  ['0.1.0', '0.1.0', true],
  ['0.1.0', '0.1.7', true],
  ['0.1.0', '0.2.0', false],
  ['1.2.0', '1.9.1', true],
  ['1.2.0', '2.0.0', false],
  ['0.1.0', '1.1.0', false],
  ['0.1.0', undefined, false],
])('%s with a server %s: %s', (ours, theirs, expected) => {
  expect(fits(ours, theirs)).toBe(expected);
});
