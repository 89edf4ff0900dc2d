import { expect, it } from 'vitest';
import type { State, Status } from '../src/protocol';
import { type Facts, nameOf, wording } from '../src/wording';

const status = (state: State, message = ''): Status => ({
  state,
  model: '/models/small/',
  device: 'cpu',
  message,
});
const quiet = (reason: string, confidence: number | null, needed: number | null): Status => ({
  ...status('ready'),
  quiet: { reason, confidence, needed },
});
const FACTS: Facts = {
  life: 'running',
  status: status('ready'),
  latency: undefined,
  onlyWhenAsked: false,
  problem: '',
};

const CASES: {
  name: string;
  facts: Partial<Facts>;
  icon: string;
  text: string;
  isBad?: boolean;
}[] = [
  { name: 'ready', facts: {}, icon: 'sparkle', text: 'small on cpu' },
  {
    name: 'with a latency',
    facts: { latency: 120 },
    icon: 'sparkle',
    text: 'small on cpu · 120 ms',
  },
  {
    name: 'with a long one',
    facts: { latency: 1200 },
    icon: 'sparkle',
    text: 'small on cpu · 1.2 s',
  },
  {
    name: 'quiet for confidence, and not the latency',
    facts: { latency: 120, status: quiet('confidence 0.18 is under 0.35', 0.18, 0.35) },
    icon: 'sparkle',
    text: 'small on cpu · quiet: 0.18 is under 0.35',
  },
  {
    name: 'quiet for another reason',
    facts: { latency: 120, status: quiet('the last edit was a deletion', null, null) },
    icon: 'sparkle',
    text: 'small on cpu · 120 ms',
  },
  {
    name: 'only when asked',
    facts: { onlyWhenAsked: true },
    icon: 'circle-outline',
    text: 'small on cpu',
  },
  {
    name: 'filling',
    facts: { status: status('filling') },
    icon: 'sync~spin',
    text: 'small on cpu',
  },
  {
    name: 'paused',
    facts: { status: status('paused') },
    icon: 'debug-pause',
    text: 'small on cpu · paused',
  },
  {
    name: 'loading',
    facts: { status: status('starting') },
    icon: 'loading~spin',
    text: 'small on cpu · loading',
  },
  {
    name: 'failed',
    facts: { status: status('failed', 'no memory: close something') },
    icon: 'warning',
    text: 'infill · no memory',
    isBad: true,
  },
  {
    name: 'no server',
    facts: { life: 'missing', status: undefined },
    icon: 'warning',
    text: 'infill · no server: click to install',
    isBad: true,
  },
  {
    name: 'ended',
    facts: { life: 'waiting', status: undefined },
    icon: 'sync~spin',
    text: 'infill · restarting',
    isBad: true,
  },
  {
    name: 'given up',
    facts: { life: 'stopped', status: undefined },
    icon: 'warning',
    text: 'infill · the server ends',
    isBad: true,
  },
  {
    name: 'starting',
    facts: { life: 'starting', status: undefined },
    icon: 'loading~spin',
    text: 'infill · starting',
  },
];

it.each(CASES)('$name', ({ facts, icon, text, isBad = false }) => {
  expect(wording({ ...FACTS, ...facts })).toMatchObject({ icon, text, isBad });
});

it('tells the whole in its rows', () => {
  expect(wording({ ...FACTS, latency: 5, status: status('failed', 'no memory') }).rows).toEqual([
    ['State', 'no memory'],
    ['Model', '/models/small/'],
    ['Device', 'cpu'],
    ['Last fill', '5 ms'],
    ['Shows fills', 'while you type'],
  ]);
});

it.each<[string, Partial<Status>, [string, string][]]>([
  ['a model that is run here', { way: '', why: '', better: '', confidence: 'calibrated' }, []],
  ['an older server', {}, []],
  [
    'a chat',
    { way: 'chat', why: 'it has no fill tokens', better: 'a coder model', confidence: 'unknown' },
    [
      ['Asked by', 'chat'],
      ['Why so', 'it has no fill tokens'],
      ['Better', 'a coder model'],
      ['Confidence', 'unknown'],
    ],
  ],
  [
    'the best way there is',
    {
      way: 'pinned canvas',
      why: 'this vLLM serves a diffusion model',
      better: '',
      confidence: null,
    },
    [
      ['Asked by', 'pinned canvas'],
      ['Why so', 'this vLLM serves a diffusion model'],
    ],
  ],
])('tells how a server is asked: %s', (_, told, rows) => {
  const shown = wording({ ...FACTS, status: { ...status('ready'), ...told } }).rows;
  expect(shown.slice(3, -2)).toEqual(rows);
});

it('says in its rows why nothing was shown', () => {
  const facts = { ...FACTS, status: quiet('the last edit was a deletion', null, null) };
  expect(wording(facts).rows).toContainEqual([
    'Last pause',
    'nothing was shown: the last edit was a deletion',
  ]);
});

it('never is amber without saying why', () => {
  for (const { facts } of CASES) {
    const { isBad, text } = wording({ ...FACTS, ...facts });
    expect(isBad && text === 'infill').toBe(false);
  }
});

it.each([
  ['embedded', 'embedded'],
  ['/models/small/', 'small'],
  ['C:\\models\\small', 'small'],
])('%s is called %s', (model, name) => {
  expect(nameOf(model)).toBe(name);
});
