import { describe, expect, it } from 'vitest';
import { type Surroundings, findServer } from '../src/find';

const LINUX: Surroundings = {
  env: { PATH: '/usr/bin:/opt/bin' },
  home: '/home/me',
  platform: 'linux',
  folders: ['/project'],
  isExecutable: () => false,
  own: '/storage/server/bin/infill-ls',
};
const WINDOWS: Surroundings = {
  ...LINUX,
  env: { Path: 'C:\\tools' },
  home: 'C:\\Users\\me',
  platform: 'win32',
  folders: ['D:\\project'],
};

const CASES: {
  name: string;
  configured?: string;
  where?: Partial<Surroundings>;
  on?: Surroundings;
  there: string[];
  found: string | null;
}[] = [
  { name: 'the path that is set', configured: '/a/b', there: ['/a/b'], found: '/a/b' },
  { name: 'in the home', configured: '~/b', there: ['/home/me/b'], found: '/home/me/b' },
  {
    name: 'in the workspace',
    configured: '${workspaceFolder}/b',
    there: ['/project/b'],
    found: '/project/b',
  },
  {
    name: 'relative to the workspace',
    configured: 'bin/b',
    there: ['/project/bin/b'],
    found: '/project/bin/b',
  },
  {
    name: 'only the path that is set',
    configured: '/a/b',
    there: ['/usr/bin/infill-ls'],
    found: null,
  },
  {
    name: 'the workspace’s environment goes before PATH',
    there: ['/usr/bin/infill-ls', '/project/.venv/bin/infill-ls'],
    found: '/project/.venv/bin/infill-ls',
  },
  {
    name: 'no program of a workspace that is not trusted',
    where: { folders: [] },
    there: ['/project/.venv/bin/infill-ls'],
    found: null,
  },
  { name: 'PATH in its order', there: ['/opt/bin/infill-ls'], found: '/opt/bin/infill-ls' },
  {
    name: 'as a tool',
    there: ['/home/me/.local/bin/infill-ls'],
    found: '/home/me/.local/bin/infill-ls',
  },
  {
    name: 'where uv is told to put tools',
    where: { env: { UV_TOOL_BIN_DIR: '/uv' } },
    there: ['/uv/infill-ls', '/home/me/.local/bin/infill-ls'],
    found: '/uv/infill-ls',
  },
  {
    name: 'an environment on Windows',
    on: WINDOWS,
    there: ['D:\\project\\.venv\\Scripts\\infill-ls.exe'],
    found: 'D:\\project\\.venv\\Scripts\\infill-ls.exe',
  },
  {
    name: 'PATH on Windows',
    on: WINDOWS,
    there: ['C:\\tools\\infill-ls.exe'],
    found: 'C:\\tools\\infill-ls.exe',
  },
  {
    name: 'in uv’s environment, where its folder of programs is on no path',
    there: ['/home/me/.local/share/uv/tools/infill-ls/bin/infill-ls'],
    found: '/home/me/.local/share/uv/tools/infill-ls/bin/infill-ls',
  },
  {
    name: 'in pipx’s environment',
    there: ['/home/me/.local/share/pipx/venvs/infill-ls/bin/infill-ls'],
    found: '/home/me/.local/share/pipx/venvs/infill-ls/bin/infill-ls',
  },
  {
    name: 'what this extension has installed, after everything else',
    there: ['/storage/server/bin/infill-ls'],
    found: '/storage/server/bin/infill-ls',
  },
  { name: 'nowhere', there: [], found: null },
];

describe('the server is found', () => {
  it.each(CASES)('$name', ({ configured = '', where = {}, on = LINUX, there, found }) => {
    const isExecutable = (path: string) => there.includes(path);
    const result = findServer(configured, { ...on, ...where, isExecutable });
    expect('path' in result ? result.path : null).toBe(found);
  });
});

it('says what a wrong setting names', () => {
  expect(findServer('/nowhere', LINUX)).toEqual({
    problem: 'infill.server.path names /nowhere, where there is no program',
  });
});
