/**
 * How `infill-ls` is put into an environment of its own: always from a file, a folder or a full
 * address. A bare name would be looked up at an index, where anybody may have taken it.
 */

import { posix, win32 } from 'node:path';

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly isOnPath: (program: string) => boolean;
  /** A card that the CUDA build of PyTorch would use. */
  readonly hasCard: boolean;
  /** Where an environment can be made where there is neither uv nor pipx. */
  readonly storage: string;
}

export interface Step {
  readonly program: string;
  readonly args: readonly string[];
}

export interface Plan {
  readonly name: 'uv' | 'pipx' | 'venv';
  readonly steps: readonly Step[];
  readonly env: Readonly<Record<string, string>>;
}

/** What is installed: a wheel, a checkout, or an address over TLS; undefined for anything else. */
export function sourceOf(given: string, isFolder: (path: string) => boolean): string | undefined {
  const source = given.trim();
  if (/^(git\+)?https:\/\/[^/\s]+\/\S+$/.test(source)) {
    return source;
  }
  const isPath = posix.isAbsolute(source) || win32.isAbsolute(source);
  return isPath && (source.endsWith('.whl') || isFolder(source)) ? source : undefined;
}

/** How `source` is installed here; undefined where there is not even Python. */
export function planFor(source: string, machine: Machine): Plan | undefined {
  const env = environment(machine);
  if (machine.isOnPath('uv')) {
    const args = ['tool', 'install', '--force', source];
    return { name: 'uv', steps: [{ program: 'uv', args }], env };
  }
  if (machine.isOnPath('pipx')) {
    const args = ['install', '--force', source];
    return { name: 'pipx', steps: [{ program: 'pipx', args }], env };
  }
  const python = ['python3', 'python'].find(machine.isOnPath);
  if (python === undefined) {
    return undefined;
  }
  const steps = [
    { program: python, args: ['-m', 'venv', machine.storage] },
    {
      program: inEnvironment(machine, 'python'),
      args: ['-m', 'pip', 'install', '--upgrade', '--progress-bar', 'off', source],
    },
  ];
  return { name: 'venv', steps, env };
}

/** A program of the environment that a plan named `venv` makes. */
export function inEnvironment({ platform, storage }: Machine, program: string): string {
  return platform === 'win32'
    ? win32.join(storage, 'Scripts', `${program}.exe`)
    : posix.join(storage, 'bin', program);
}

/** PyTorch's build for Linux without a card is a tenth of the one that is taken by default. */
function environment({ platform, hasCard }: Machine): Record<string, string> {
  if (platform !== 'linux' || hasCard) {
    return {};
  }
  return {
    UV_TORCH_BACKEND: 'cpu',
    PIP_EXTRA_INDEX_URL: 'https://download.pytorch.org/whl/cpu',
  };
}
