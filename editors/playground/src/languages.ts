/** The languages the server cuts by syntax, by their LSP ids, and how Monaco calls them. */

export type Language = { id: string; name: string; monaco: string };

export const LANGUAGES: Language[] = [
  { id: "python", name: "Python", monaco: "python" },
  { id: "javascript", name: "JavaScript", monaco: "javascript" },
  { id: "typescript", name: "TypeScript", monaco: "typescript" },
  { id: "typescriptreact", name: "TSX", monaco: "typescript" },
  { id: "go", name: "Go", monaco: "go" },
  { id: "rust", name: "Rust", monaco: "rust" },
  { id: "c", name: "C", monaco: "c" },
  { id: "cpp", name: "C++", monaco: "cpp" },
  { id: "java", name: "Java", monaco: "java" },
  { id: "lua", name: "Lua", monaco: "lua" },
  { id: "ruby", name: "Ruby", monaco: "ruby" },
  { id: "shellscript", name: "Bash", monaco: "shell" },
  { id: "html", name: "HTML", monaco: "html" },
  { id: "css", name: "CSS", monaco: "css" },
  { id: "json", name: "JSON", monaco: "javascript" },
  { id: "plaintext", name: "Plain text", monaco: "plaintext" },
];

export function languageOf(id: string): Language {
  return LANGUAGES.find((each) => each.id === id) ?? LANGUAGES.at(-1)!;
}
