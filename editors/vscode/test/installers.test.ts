import { expect, it } from 'vitest';
import { installers } from '../src/installers';

it.each([
  { here: ['uv', 'pipx'], first: 'uv tool install infill-ls', isHere: true },
  { here: ['pipx'], first: 'pipx install infill-ls', isHere: true },
  { here: [], first: 'uv tool install infill-ls', isHere: false },
])('$here: $first comes first', ({ here, first, isHere }) => {
  const [best] = installers((program) => here.includes(program));
  expect(best).toMatchObject({ command: first, isHere });
});
