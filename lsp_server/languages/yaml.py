from lsp_server.languages.language import Language, Levels

YAML = Language(ids=("yaml",), line_comment="#", has_data_strings=True, levels=Levels.KEYS)
COMPOSE = Language(ids=("dockercompose",), line_comment="#", levels=Levels.KEYS)
