import { expect, it } from 'vitest';
import { Backoff } from '../src/backoff';

it('waits twice as long each time, and gives up', () => {
  const backoff = new Backoff();
  backoff.started(0);
  const waits = Array.from({ length: 7 }, () => backoff.ended(10));
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, undefined, undefined]);
});

it('begins again after a server that has run for long', () => {
  const backoff = new Backoff();
  backoff.started(0);
  backoff.ended(10);
  backoff.ended(20);
  backoff.started(100);
  expect(backoff.ended(60_100)).toBe(1000);
});

it('begins again when the user asks for it', () => {
  const backoff = new Backoff();
  backoff.started(0);
  while (backoff.ended(1) !== undefined);
  backoff.reset();
  expect(backoff.ended(2)).toBe(1000);
});
