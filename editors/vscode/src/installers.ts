/** The commands that put `infill-ls` into an environment of its own. */

export interface Installer {
  readonly command: string;
  readonly about: string;
  /** Where it is explained how to get the installer itself. */
  readonly home: string;
  readonly isHere: boolean;
}

/** Those that are here come first. */
export function installers(isOnPath: (program: string) => boolean): Installer[] {
  const all: Installer[] = [
    {
      command: 'uv tool install infill-ls',
      about: 'uv keeps it in an environment of its own',
      home: 'https://docs.astral.sh/uv/',
      isHere: isOnPath('uv'),
    },
    {
      command: 'pipx install infill-ls',
      about: 'pipx keeps it in an environment of its own',
      home: 'https://pipx.pypa.io/',
      isHere: isOnPath('pipx'),
    },
  ];
  return all.sort((one, other) => Number(other.isHere) - Number(one.isHere));
}
