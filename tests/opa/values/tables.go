package main

import (
	"encoding/binary"
	"sort"
	"unicode"
)

// tables writes what the engine needs of Go's Unicode: runs of general categories, runs of scripts, aliases
// of categories, case mappings, and what folds together beyond them. Numbers are varints, runs are given by
// the gap to the run before and their length.
func tables() []byte {
	var out []byte
	number := func(n int) { out = binary.AppendUvarint(out, uint64(n)) }
	text := func(s string) { number(len(s)); out = append(out, s...) }
	runs := func(tables map[string]*unicode.RangeTable, want func(string) bool) {
		var names []string
		for name := range tables {
			if want(name) {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		number(len(names))
		owner := make([]int, unicode.MaxRune+2)
		for i, name := range names {
			text(name)
			each(tables[name], func(r rune) {
				if owner[r] != 0 {
					panic("two tables have one rune: " + name)
				}
				owner[r] = i + 1
			})
		}
		var body []byte
		count, last := 0, 0
		for r := 0; r <= unicode.MaxRune; {
			if owner[r] == 0 {
				r++
				continue
			}
			end := r
			for owner[end] == owner[r] {
				end++
			}
			// Which table, and the gap: most gaps are small.
			body = binary.AppendUvarint(body, uint64(owner[r]-1))
			body = binary.AppendUvarint(body, uint64(r-last))
			body = binary.AppendUvarint(body, uint64(end-r-1))
			count, last, r = count+1, end, end
		}
		number(count)
		out = append(out, body...)
	}
	runs(unicode.Categories, func(name string) bool { return len(name) == 2 && name != "LC" && name != "Cn" })
	runs(unicode.Scripts, func(string) bool { return true })

	var aliases []string
	for name := range unicode.CategoryAliases {
		aliases = append(aliases, name)
	}
	sort.Strings(aliases)
	number(len(aliases))
	for _, name := range aliases {
		text(name)
		text(unicode.CategoryAliases[name])
	}

	// Runs of letters whose upper and lower case are as far away each; alternating ones have their own mark.
	type run struct{ low, high, upper, lower int }
	var cases []run
	for _, c := range unicode.CaseRanges {
		r := run{int(c.Lo), int(c.Hi), int(c.Delta[unicode.UpperCase]), int(c.Delta[unicode.LowerCase])}
		if c.Delta[unicode.UpperCase] > unicode.MaxRune {
			r.upper, r.lower = 0, 0
		} else if r.upper == 0 && r.lower == 0 {
			continue
		}
		cases = append(cases, r)
	}
	number(len(cases))
	last := 0
	for _, c := range cases {
		number(c.low - last)
		number(c.high - c.low)
		out = binary.AppendVarint(out, int64(c.upper))
		out = binary.AppendVarint(out, int64(c.lower))
		last = c.high
	}
	// Folding goes to the lower case, else to the upper one, except here.
	var folds []byte
	count, before := 0, 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		simple := unicode.ToLower(r)
		if simple == r {
			simple = unicode.ToUpper(r)
		}
		if folded := unicode.SimpleFold(r); folded != simple {
			folds = binary.AppendUvarint(folds, uint64(int(r)-before))
			folds = binary.AppendVarint(folds, int64(folded-r))
			count, before = count+1, int(r)
		}
	}
	number(count)
	return append(out, folds...)
}

func each(table *unicode.RangeTable, do func(rune)) {
	for _, r := range table.R16 {
		for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
			do(c)
		}
	}
	for _, r := range table.R32 {
		for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
			do(c)
		}
	}
}
