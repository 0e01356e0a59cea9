package main

import (
	"fmt"
	"math/rand"
	"strconv"
	"strings"
)

// random makes the same bodies for the same seed: well-formed ones, and those with a few pieces changed.
func random(seed int64, count int) []*Case {
	from := rand.New(rand.NewSource(seed))
	cases := make([]*Case, 0, count)
	for range count {
		kind, body := jsonType, ""
		switch from.Intn(4) {
		case 0:
			body = spoiled(from, document(from, 3), jsonPieces)
		case 1:
			kind, body = formType, spoiled(from, form(from), formPieces)
		default:
			kind, body = partsType, parts(from)
			if from.Intn(5) == 0 {
				body = strings.ReplaceAll(body, "\r\n", "\n")
			}
			body = spoiled(from, body, partsPieces)
		}
		c := of(kind, body)
		if from.Intn(4) == 0 {
			length := strconv.Itoa(len(body) + from.Intn(3) - 1)
			c.Length = &length
		}
		cases = append(cases, c)
	}
	return cases
}

var jsonPieces = []string{"{", "}", "[", "]", ",", ":", `"`, "\\", " ", "\n", "null", "true", "1", "-", "e", ".", "0", `\ud800`, "é", "\u0000"}
var formPieces = []string{"&", "=", "%", "%4", "%41", "+", ";", "é", " ", "a", "\u0000"}
var partsPieces = []string{"\r\n", "\n", "\r", "--B", "--B--", "--B\r\n", "--", " ", "\t", ":", ";", "=", `"`, "\\", "x", "\r\n\r\n", "name=a", "*", "é", "\u0000", "=\r\n", "=3D", "\u0001"}

// spoiled is the text as it is, or with up to three pieces put in or cut out.
func spoiled(from *rand.Rand, text string, pieces []string) string {
	runes := []rune(text)
	for range from.Intn(4) {
		at := from.Intn(len(runes) + 1)
		piece, until := []rune{}, at
		if from.Intn(3) > 0 {
			piece = []rune(pieces[from.Intn(len(pieces))])
		} else {
			until = min(len(runes), at+1+from.Intn(4))
		}
		runes = append(append(append([]rune{}, runes[:at]...), piece...), runes[until:]...)
	}
	return string(runes)
}

func pick(from *rand.Rand, texts ...string) string {
	return texts[from.Intn(len(texts))]
}

func document(from *rand.Rand, depth int) string {
	kind := from.Intn(7)
	if depth == 0 {
		kind = from.Intn(5)
	}
	space := pick(from, "", "", "", " ", "\n", "\t")
	switch kind {
	case 0:
		return pick(from, "null", "true", "false") + space
	case 1:
		return strconv.Itoa(from.Intn(2000)-1000) + space
	case 2:
		return strconv.FormatFloat(float64(from.Intn(100000)-50000)/64, 'g', -1, 64) + space
	case 3, 4:
		return strconv.Quote(pick(from, "", "a", "b c", "é", "日本", "<x>")) + space
	case 5:
		items := make([]string, from.Intn(4))
		for i := range items {
			items[i] = document(from, depth-1)
		}
		return "[" + space + strings.Join(items, ","+space) + "]"
	default:
		items := make([]string, from.Intn(4))
		for i := range items {
			items[i] = fmt.Sprintf("%q%s:%s%s", pick(from, "a", "b", "c", ""), space, space, document(from, depth-1))
		}
		return "{" + strings.Join(items, ","+space) + "}" + space
	}
}

func form(from *rand.Rand) string {
	items := make([]string, from.Intn(5))
	for i := range items {
		items[i] = pick(from, "a", "b", "c%20d", "é", "%ff") + pick(from, "", "=", "=1", "=x+y", "=%41", "=a=b")
	}
	return strings.Join(items, "&")
}

func parts(from *rand.Rand) string {
	body := pick(from, "", "", "", "preamble\r\n", "\r\n")
	for range from.Intn(4) {
		body += "--B" + pick(from, "", "", "", " ", "\t") + "\r\n"
		body += pick(from, "Content-Disposition", "content-disposition") + ": form-data; name=" + pick(from, "a", "b", `"c d"`, `""`)
		body += pick(from, "", "", "; filename=x", `; filename="y.txt"`, "; filename*=UTF-8''z") + "\r\n"
		body += pick(from, "", "", "Content-Type: application/json\r\n", "Content-Type: text/plain\r\n", "X: y\r\n z\r\n")
		body += pick(from, "", "", "", "Content-Transfer-Encoding: quoted-printable\r\n") + "\r\n"
		body += pick(from, "", "1", "text", `{"a":1}`, "a=3Db", "a=\r\nb", "\r\n", "--B", "-", "\r\n--", "two\r\nlines") + "\r\n"
	}
	return body + pick(from, "--B--\r\n", "--B--", "--B-- \r\nepilogue", "--B--\r\n", "--B\r\n", "")
}
