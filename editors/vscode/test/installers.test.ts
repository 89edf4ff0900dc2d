import { expect, it } from 'vitest';
import { type Machine, inEnvironment, planFor, sourceOf } from '../src/installers';

const WHEEL = '/release/infill_ls-0.1.0-py3-none-any.whl';

function machine(here: string[], changes: Partial<Machine> = {}): Machine {
  return {
    platform: 'linux',
    isOnPath: (program) => here.includes(program),
    hasCard: false,
    storage: '/storage/server',
    ...changes,
  };
}

it.each([
  { here: ['uv', 'pipx', 'python3'], first: ['uv', 'tool', 'install', '--force', WHEEL] },
  { here: ['pipx', 'python3'], first: ['pipx', 'install', '--force', WHEEL] },
  { here: ['python3'], first: ['python3', '-m', 'venv', '/storage/server'] },
  { here: ['python'], first: ['python', '-m', 'venv', '/storage/server'] },
])('with $here: $first', ({ here, first }) => {
  const step = planFor(WHEEL, machine(here))?.steps[0];
  expect([step?.program, ...(step?.args ?? [])]).toEqual(first);
});

it('names what is installed, and never a bare name', () => {
  for (const here of [['uv'], ['pipx'], ['python3']]) {
    const last = planFor(WHEEL, machine(here))?.steps.at(-1);
    expect(last?.args).toContain(WHEEL);
    expect(last?.args).not.toContain('infill-ls');
  }
});

it('is nothing without Python', () => {
  expect(planFor(WHEEL, machine([]))).toBeUndefined();
});

it.each([
  { platform: 'linux', hasCard: false, backend: 'cpu' },
  { platform: 'linux', hasCard: true, backend: undefined },
  { platform: 'darwin', hasCard: false, backend: undefined },
  { platform: 'win32', hasCard: false, backend: undefined },
] as const)('$platform with a card $hasCard: $backend', ({ platform, hasCard, backend }) => {
  const plan = planFor(WHEEL, machine(['uv'], { platform, hasCard }));
  expect(plan?.env['UV_TORCH_BACKEND']).toBe(backend);
});

it('knows where its own environment has its programs', () => {
  expect(inEnvironment(machine([]), 'infill-ls')).toBe('/storage/server/bin/infill-ls');
  const windows = machine([], { platform: 'win32', storage: 'C:\\storage\\server' });
  expect(inEnvironment(windows, 'infill-ls')).toBe('C:\\storage\\server\\Scripts\\infill-ls.exe');
});

it.each([
  [WHEEL, WHEEL],
  [` ${WHEEL} `, WHEEL],
  ['C:\\release\\infill_ls.whl', 'C:\\release\\infill_ls.whl'],
  ['/a/checkout', '/a/checkout'],
  ['https://example.com/infill_ls-0.1.0-py3-none-any.whl', undefined],
  ['git+https://example.com/infill-ls', undefined],
  ['http://example.com/infill_ls.whl', ''],
  ['infill-ls', ''],
  ['infill-ls==0.1.0', ''],
  ['/a/file.txt', ''],
  ['relative.whl', ''],
  ['https://example.com', ''],
  ['', ''],
])('%s is a source: %s', (given, source) => {
  const expected = source === '' ? undefined : (source ?? given);
  expect(sourceOf(given, (path) => path === '/a/checkout')).toBe(expected);
});
