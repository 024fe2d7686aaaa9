/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-completion.c - recompiler completion: scripts made from the table of verbs and the options in its help texts, so that
 * they cannot fall behind.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static const char *const globals[] = {"--json", "--log-level", "--trust", "--state-dir", "--cache-dir", "--policy", "--config", "--help", "--version"};
#define GLOBALS_WITH_VALUE "--log-level|--trust|--state-dir|--cache-dir|--policy|--config"

/* Calls emit for every "--option" of a help text. */
static void options_each(const char *usage, void (*emit)(const char *option, size_t size, const char *context), const char *context)
{
    for (const char *at = usage; (at = strstr(at, "  ")) != NULL; at++) {
        const char *option = at + strspn(at, " ");
        if (option[0] == '-' && option[1] != '-' && option[2] == ',') {
            option += 4; /* "-e, --env" */
        }
        if (strncmp(option, "--", 2) == 0 && isalpha((unsigned char)option[2])) {
            size_t size = 2;
            while (isalnum((unsigned char)option[size]) || option[size] == '-') {
                size++;
            }
            emit(option, size, context);
            at = option + size;
        }
    }
}

static void word_emit(const char *option, size_t size, const char *context)
{
    (void)context;
    printf(" %.*s", (int)size, option);
}

static void fish_emit(const char *option, size_t size, const char *context)
{
    printf("complete -c recompiler -n '__fish_seen_subcommand_from %s' -l %.*s\n", context, (int)size - 2, option + 2);
}

/* A script skips the value of a global option: "--trust DIR" is no verb. Names of files may have spaces. */
static void bash_print(void)
{
    printf("_recompiler() {\n  local cur=${COMP_WORDS[COMP_CWORD]} verb= words= i\n  for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "    case ${COMP_WORDS[i]} in " GLOBALS_WITH_VALUE ") ((i++)) ;; -*) ;; *) verb=${COMP_WORDS[i]}; break ;; esac\n  done\n"
           "  case $verb in\n");
    for (size_t i = 0; i < cmd_verb_count; i++) {
        printf("  %s) words='%s--help", cmd_verbs[i].name, cmd_verbs[i].run == verb_completion ? "bash zsh fish " : "");
        options_each(cmd_verbs[i].usage, word_emit, NULL);
        printf("' ;;\n");
    }
    printf("  *) words='");
    for (size_t i = 0; i < cmd_verb_count; i++) {
        printf("%s ", cmd_verbs[i].name);
    }
    for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
        printf("%s ", globals[i]);
    }
    printf("' ;;\n  esac\n  ((i > COMP_CWORD)) && words=\n"
           "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"; [[ -z $verb$words || -n $verb ]] && compgen -f -- \"$cur\")\n}\n"
           "complete -o filenames -F _recompiler recompiler\n");
}

static void zsh_print(void)
{
    printf("#compdef recompiler\n_recompiler() {\n  local -a verbs\n  verbs=(\n");
    for (size_t i = 0; i < cmd_verb_count; i++) {
        printf("    '%s:", cmd_verbs[i].name);
        for (const char *at = cmd_verbs[i].summary; *at != '\0'; at++) {
            if (*at == ':' || *at == '\'') {
                continue;
            }
            putchar(*at);
        }
        printf("'\n");
    }
    printf("  )\n  local i=2\n  while (( i < CURRENT )); do\n    case $words[i] in " GLOBALS_WITH_VALUE ") (( i++ )) ;; -*) ;; *) break ;; esac\n"
           "    (( i++ ))\n  done\n  if (( i > CURRENT )); then _files; return; fi\n  if (( i == CURRENT )); then _describe verb verbs; compadd --");
    for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
        printf(" %s", globals[i]);
    }
    printf("; return; fi\n  case $words[i] in\n");
    for (size_t i = 0; i < cmd_verb_count; i++) {
        printf("  %s) compadd -- %s--help", cmd_verbs[i].name, cmd_verbs[i].run == verb_completion ? "bash zsh fish " : "");
        options_each(cmd_verbs[i].usage, word_emit, NULL);
        printf("; _files ;;\n");
    }
    printf("  esac\n}\n_recompiler \"$@\"\n");
}

static void fish_print(void)
{
    for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
        printf("complete -c recompiler -n __fish_use_subcommand -l %s%s\n", globals[i] + 2, strstr(GLOBALS_WITH_VALUE, globals[i]) != NULL ? " -r" : "");
    }
    printf("complete -c recompiler -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n");
    for (size_t i = 0; i < cmd_verb_count; i++) {
        printf("complete -c recompiler -n __fish_use_subcommand -a %s -d \"%s\"\n", cmd_verbs[i].name, cmd_verbs[i].summary);
        options_each(cmd_verbs[i].usage, fish_emit, cmd_verbs[i].name);
    }
}

int verb_completion(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return cmd_help("completion");
    }
    if (argc == 2 && strcmp(argv[1], "bash") == 0) {
        bash_print();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "zsh") == 0) {
        zsh_print();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "fish") == 0) {
        fish_print();
        return 0;
    }
    return cmd_usage("completion", "bash, zsh or fish is expected");
}
