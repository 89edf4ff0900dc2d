/** Where `infill-ls` is: as the user says, in the workspace's environment, on PATH, as a tool. */

import { posix, win32 } from 'node:path';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** Folders of the workspace whose programs may be run: none where it is not trusted. */
  readonly folders: readonly string[];
  readonly isExecutable: (path: string) => boolean;
  /** The program that this extension has installed, if it has. */
  readonly own: string;
}

type Source = 'setting' | 'workspace' | 'PATH' | 'tool' | 'extension';

export type Found =
  { readonly path: string; readonly source: Source } | { readonly problem: string };

/** The server's program. `configured` is the setting `infill.server.path`, empty for a search. */
export function findServer(configured: string, where: Surroundings): Found {
  if (configured !== '') {
    const path = expanded(configured, where);
    return where.isExecutable(path)
      ? { path, source: 'setting' }
      : { problem: `infill.server.path names ${path}, where there is no program` };
  }
  for (const [source, folders] of places(where)) {
    for (const folder of folders) {
      const path = join(where, folder, program(where));
      if (where.isExecutable(path)) {
        return { path, source };
      }
    }
  }
  if (where.isExecutable(where.own)) {
    return { path: where.own, source: 'extension' };
  }
  return {
    problem:
      'infill-ls is neither in the workspace’s .venv, nor on the PATH that VS Code has, nor where uv and pipx put it',
  };
}

function places(where: Surroundings): [Source, string[]][] {
  const { env, platform } = where;
  const bin = platform === 'win32' ? 'Scripts' : 'bin';
  const environments = where.folders.flatMap((folder) => [
    join(where, folder, '.venv', bin),
    join(where, folder, 'venv', bin),
  ]);
  const path = env['PATH'] ?? env['Path'] ?? '';
  // Editors started from a desktop often do not have what the shell's start-up files add to PATH.
  const tools = [env['UV_TOOL_BIN_DIR'], env['PIPX_BIN_DIR'], env['XDG_BIN_HOME']];
  return [
    ['workspace', environments],
    ['PATH', path.split(platform === 'win32' ? ';' : ':').filter(isGiven)],
    ['tool', [...tools.filter(isGiven), ...toolFolders(where)]],
  ];
}

/** Where programs of one's own are put: a server's shell resets PATH, a desktop never reads it. */
function toolFolders(where: Surroundings): string[] {
  const { env, home, platform } = where;
  const bin = platform === 'win32' ? 'Scripts' : 'bin';
  const data = isGiven(env['XDG_DATA_HOME'])
    ? env['XDG_DATA_HOME']
    : join(where, home, '.local', 'share');
  const folders = [
    join(where, home, '.local', 'bin'),
    join(where, data, 'uv', 'tools', 'infill-ls', bin),
    join(where, data, 'pipx', 'venvs', 'infill-ls', bin),
    join(where, home, '.local', 'pipx', 'venvs', 'infill-ls', bin),
  ];
  if (platform === 'win32') {
    return [...folders, join(where, env['APPDATA'] ?? home, 'uv', 'tools', 'infill-ls', bin)];
  }
  return [...folders, '/usr/local/bin', ...(platform === 'darwin' ? ['/opt/homebrew/bin'] : [])];
}

function expanded(path: string, where: Surroundings): string {
  const [folder] = where.folders;
  const named = path
    .replace(/^~(?=[\\/])/, where.home)
    .replaceAll('${workspaceFolder}', folder ?? '${workspaceFolder}');
  const paths = where.platform === 'win32' ? win32 : posix;
  return paths.isAbsolute(named) || folder === undefined ? named : paths.join(folder, named);
}

function program(where: Surroundings): string {
  return where.platform === 'win32' ? 'infill-ls.exe' : 'infill-ls';
}

function join(where: Surroundings, ...parts: string[]): string {
  return (where.platform === 'win32' ? win32 : posix).join(...parts);
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
