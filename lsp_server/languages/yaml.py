from lsp_server.languages.language import Language, Levels

YAML = Language(ids=("yaml",), has_data_strings=True, levels=Levels.KEYS)
COMPOSE = Language(ids=("dockercompose",), levels=Levels.KEYS)
