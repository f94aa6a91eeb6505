#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Embeds named queries and numbered migrations: make-queries.py OUT.h OUT.c FILE.sql...

Files named NNNN_word.sql are migrations (NNNN_word.postgres.sql replaces one on PostgreSQL); all
others hold queries, each after a line `-- name: word` (`-- name: word postgres` replaces one on
PostgreSQL). Parameters are $1, $2, ... Column types are TEXT, BIGINT and BYTES. The text is the
same on both databases but for what `translate` does."""
import os
import re
import sys

NAME = re.compile(r'^-- name: ([a-z][a-z0-9_]*)( postgres)?$')
MIGRATION = re.compile(r'^(\d{4})_([a-z0-9_]+)(\.postgres)?\.sql$')
BANNED = re.compile(r'\b(AUTOINCREMENT|SERIAL|INTEGER|INT|BLOB|BYTEA|DATETIME|TIMESTAMP|BOOLEAN|REAL)\b', re.I)


def fail(where, what):
    sys.exit(f'make-queries: {where}: {what}')


def pieces(sql):
    """Cuts SQL into ('text'|'string', piece); comments fall away."""
    out = []
    for m in re.finditer(r"--[^\n]*|'(?:[^']|'')*'|[^'-]+|-", sql):
        s = m.group(0)
        if s.startswith('--'):
            continue
        out.append(('string' if s.startswith("'") else 'text', s))
    return out


def translate(sql, postgres):
    out = []
    for kind, s in pieces(sql):
        if kind == 'text' and postgres:
            s = re.sub(r'\bBYTES\b', 'BYTEA', s)
        elif kind == 'text':
            # INTEGER PRIMARY KEY is the row number itself in SQLite; STRICT makes types count.
            s = re.sub(r'\bBYTES\b', 'BLOB', s)
            s = re.sub(r'\bBIGINT\b', 'INTEGER', s)
            s = re.sub(r'\$(\d+)', r'?\1', s)
            s = re.sub(r'^\);', ') STRICT;', s, flags=re.M)
        out.append(s)
    text = ''.join(out)
    return '\n'.join(line.rstrip() for line in text.split('\n') if line.strip()).strip()


def check(where, sql, postgres_only):
    for kind, s in pieces(sql):
        bad = None if kind == 'string' or postgres_only else BANNED.search(s)
        if bad:
            fail(where, f'{bad.group(0)}: write TEXT, BIGINT or BYTES')
    tables = len(re.findall(r'\bCREATE TABLE\b', sql))
    if tables != len(re.findall(r'^\);', sql, re.M)):
        fail(where, 'every CREATE TABLE ends in a line ");"')


def parameters(where, sql):
    numbers = {int(n) for kind, s in pieces(sql) if kind == 'text' for n in re.findall(r'\$(\d+)', s)}
    if numbers != set(range(1, len(numbers) + 1)):
        fail(where, f'parameters are not $1..$n: {sorted(numbers)}')
    return len(numbers)


def read_queries(path, queries):
    current = None
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        m = NAME.match(line.rstrip())
        if m:
            row = queries.setdefault(m[1], {})
            current = 'postgres' if m[2] else 'both'
            if current in row:
                fail(f'{path}:{number}', f'{m[1]} is there twice')
            row[current] = ''
            name = m[1]
        elif line.startswith('-- name'):
            fail(f'{path}:{number}', 'write "-- name: word" or "-- name: word postgres"')
        elif current:
            queries[name][current] += line
        elif line.strip() and not line.startswith('--'):
            fail(f'{path}:{number}', 'SQL before the first "-- name:"')


def c_text(text):
    if not text:
        return 'NULL'
    lines = text.split('\n')
    quoted = [line.replace('\\', '\\\\').replace('"', '\\"') for line in lines]
    return '\n     '.join(f'"{q}\\n"' for q in quoted)


def main():
    header, code, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    queries, migrations = {}, {}
    for path in files:
        m = MIGRATION.match(os.path.basename(path))
        if not m:
            read_queries(path, queries)
            continue
        row = migrations.setdefault(int(m[1]), {})
        if row.setdefault('name', m[2]) != m[2]:
            fail(path, f'number {m[1]} is taken by {row["name"]}')
        row['postgres' if m[3] else 'both'] = open(path, encoding='utf-8').read()
        check(path, row['postgres' if m[3] else 'both'], bool(m[3]))
    if sorted(migrations) != list(range(1, len(migrations) + 1)):
        fail('migrations', f'numbers are not 1..n: {sorted(migrations)}')
    names = sorted(queries)
    with open(header, 'w', encoding='utf-8') as h:
        h.write('/* Made by tools/make-queries.py. */\n#ifndef STORE_QUERIES_H\n#define STORE_QUERIES_H\n')
        h.write('enum query {\n' + ''.join(f'    QUERY_{n},\n' for n in names) + '    QUERY__COUNT\n};\n')
        h.write(f'enum {{ MIGRATION__COUNT = {len(migrations)} }};\n')
        h.write('struct query_row {\n    const char *name, *sqlite, *postgres;\n    unsigned parameters;\n};\n')
        h.write('struct migration_row {\n    const char *name, *sqlite, *postgres;\n};\n')
        h.write('extern const struct query_row query_rows[QUERY__COUNT];\n')
        h.write('extern const struct migration_row migration_rows[MIGRATION__COUNT];\n#endif\n')
    with open(code, 'w', encoding='utf-8') as c:
        c.write('/* Made by tools/make-queries.py. */\n#include "store/queries.h"\n')
        c.write('const struct query_row query_rows[QUERY__COUNT] = {\n')
        for n in names:
            both = queries[n].get('both') or fail(n, 'only a postgres variant')
            count = parameters(n, both)
            other = queries[n].get('postgres', both)
            if parameters(n, other) != count:
                fail(n, 'variants differ in parameters')
            c.write(f'    {{"{n}",\n     {c_text(translate(both, False))},\n'
                    f'     {c_text(translate(other, True))}, {count}}},\n')
        c.write('};\nconst struct migration_row migration_rows[MIGRATION__COUNT] = {\n')
        for number in sorted(migrations):
            row = migrations[number]
            both = row.get('both') or fail(number, 'only a postgres variant')
            other = row.get('postgres', both)
            c.write(f'    {{"{number:04}_{row["name"]}",\n     {c_text(translate(both, False))},\n'
                    f'     {c_text(translate(other, True))}}},\n')
        c.write('};\n')


main()
