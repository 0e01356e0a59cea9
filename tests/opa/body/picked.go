package main

import (
	"strconv"
	"strings"
)

const (
	jsonType  = "application/json"
	formType  = "application/x-www-form-urlencoded"
	partsType = "multipart/form-data; boundary=B"
)

func of(kind, body string) *Case {
	return &Case{Type: &kind, Body: body}
}

func sized(kind, length, body string) *Case {
	return &Case{Type: &kind, Length: &length, Body: body}
}

// picked are the bodies that somebody thought of.
func picked() []*Case {
	cases := []*Case{{Body: ""}, {Body: `{"a":1}`}, of("", `{"a":1}`), of("text/plain", `{"a":1}`)}
	for _, body := range jsonBodies {
		cases = append(cases, of(jsonType, body))
	}
	for _, body := range formBodies {
		cases = append(cases, of(formType, body))
	}
	for _, kind := range jsonTypes {
		cases = append(cases, of(kind, `{"a":[1]}`), of(kind, ""))
	}
	for _, kind := range partsTypes {
		cases = append(cases, of(kind, "--B\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--B--\r\n"))
	}
	for _, body := range partsBodies {
		cases = append(cases, of(partsType, body), of(partsType, strings.ReplaceAll(body, "\r\n", "\n")))
	}
	for _, disposition := range dispositions {
		cases = append(cases, of(partsType, "--B\r\nContent-Disposition: "+disposition+"\r\n\r\n1\r\n--B--"))
	}
	for _, text := range quoted {
		head := "--B\r\nContent-Disposition: form-data; name=q\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n"
		cases = append(cases, of(partsType, head+text+"\r\n--B--\r\n"))
	}
	for _, length := range lengths {
		for _, kind := range []string{jsonType, formType, partsType, "text/plain", "application/grpc"} {
			cases = append(cases, sized(kind, length, "[1,2]"), sized(kind, length, ""))
		}
	}
	body := `{"é":"日本"}`
	for _, more := range []int{-1, 0, 1} {
		cases = append(cases, sized(jsonType, strconv.Itoa(len(body)+more), body))
	}
	return append(cases, large()...)
}

var jsonTypes = []string{
	"application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/jsonp",
	"text/application/json", "application/vnd.api+json", "application/problem+json", " application/json",
	"application/json,text/plain", "application/x-www-form-urlencoded,application/json",
	"application/grpc+application/json", "application/grpc", "application/grpc+proto", "application/grpc-web",
	"application/x-www-form-urlencoded; charset=x", "Application/X-WWW-Form-Urlencoded", "multipart/form-data",
	"multipart/mixed; boundary=B", "*/*", ";", "application/json/x", "text/html;application/json",
}

var jsonBodies = []string{
	"", " ", "null", " null ", "true", "false", "0", "-0", "-1", "1.5", "1e3", "1E+3", "1e-3", "0.1", "01", "1.", ".5",
	"+1", "-", "--1", "1e", "1e+", "0x1", "NaN", "Infinity", "nul", "nulll", "tru", "True", `""`, `"a"`, `"a`, `a`,
	`'a'`, "[]", "[", "]", "[1,]", "[,1]", "[1 2]", "[1,2", "[[1],[2,[3]]]", "{}", "{", "}", `{"a"}`, `{"a":}`,
	`{"a":1,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{a:1}`, `{1:1}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`,
	`{"a":1,"A":2}`, `{"":1}`, `{"a":1}x`, `{"a":1} x`, `{"a":1}{"a":2}`, `{"a":1} null`, `{"a":1}null`,
	`{"a":1}nullx`, `{"a":1}null{"b":2}`, `{"a":1} nul`, `{"a":1} true`, `{"a":1},`, `{"a":1}]`, `{"a":1}:`,
	"1 2", "1null", "nullnull", "null null", "nullnullnull", "null,", "[] ]", "[]}", `"a""b"`, "1,", "12 null 3", "null 1",
	"\t[\n1\r,\n2 ]\n", "\v1", "\f1", "\u00a01", "\ufeff1", "1\u0000", "\u0000", "// c\n1", "/* */1", "#",
	`"\""`, `"\\"`, `"\/"`, `"\b\f\n\r\t"`, `"\a"`, `"\v"`, `"\0"`, `"\x41"`, `"\u0041"`, `"\u00e9"`, `"\u00E9"`,
	`"\u004"`, `"\u004g"`, `"\U0041"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\n"`,
	`"\ud83d\u0041"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"\ud83d\ude0"`, `"\u0000"`, "\"\u0000\"", "\"\u001f\"",
	"\"\u007f\"", "\"\n\"", "\"\t\"", `"é"`, `"日本"`, `"😀"`, `"�"`, "\"\u2028\"", `"<&>"`, `{"\u0061":1,"a":2}`,
	"9007199254740993", "-9007199254740993", "18446744073709551615", "18446744073709551616",
	"123456789012345678901234567890", "-123456789012345678901234567890", "0.30000000000000004", "1.25e2", "100e-2",
	"3.0", "1e2", "12345.678", "0.000001", "-0.5", "-0.0", "5e-324", "2.50", "1e15", "1e21", "123456789.125",
}

var formBodies = []string{
	"", "a=1", "a=1&b=2", "a=1&a=2", "a", "a=", "=a", "=", "&", "&&", "a&b", "a=b=c", "a+b=c+d", "a%20b=%3D", "%zz=1", "a=%",
	"a=%4", "a=1;b=2", ";", "a=%3B", "a=1\r\n", "a=\u0000", "é=é", "%C3%A9=1", "%ff=%fe", "a[]=1&a[]=2", "a.b=1", "a=1?b=2",
	"?a=1", "a=1#b", `{"a":1}`, "a= 1", " a=1", "a=%2B+", "%61=1&a=2", "+=+", "a=1&", "&a=1",
}

var partsTypes = []string{
	"multipart/form-data; boundary=B", `multipart/form-data; boundary="B"`, "multipart/form-data;boundary=B",
	"multipart/form-data ; boundary=B", "multipart/form-data;  boundary = B", "multipart/form-data; BOUNDARY=B",
	"multipart/form-data; boundary=B;", "multipart/form-data; boundary=B; ", "multipart/form-data; boundary=B;;",
	"multipart/form-data; boundary=B; charset=utf-8", "multipart/form-data; charset=utf-8; boundary=B",
	"multipart/form-data; boundary=B; boundary=B", "multipart/form-data; boundary=B; boundary=C",
	"multipart/form-data; boundary=", `multipart/form-data; boundary=""`, "multipart/form-data; boundary",
	"multipart/form-data", "multipart/form-data;", "multipart/form-data; charset=x", "multipart/form-data; boundary=b",
	"multipart/form-data; boundary=B C", `multipart/form-data; boundary="B`, `multipart/form-data; boundary="B" x`,
	`multipart/form-data; boundary="\B"`, `multipart/form-data; boundary="\"B"`, "multipart/form-data, boundary=B",
	"multipart/form-data; boundary=B, text/plain", "xmultipart/form-data; boundary=B", "multipart/form-data/x; boundary=B",
	"x/y; z=multipart/form-data; boundary=B", `x/y; z="multipart/form-data"; boundary=B`, "; multipart/form-data; boundary=B",
	"multipart/form-data; boundary=é", "multipart/form-data; é=1; boundary=B", "multipart/form-data;\u00a0boundary=B",
	"multipart/form-data; boundary=B; a*=utf-8''x", "multipart/form-data; boundary=B; a*0=x; a*1=y",
	"multipart/form-data; a*=1; a*=2; boundary=B", "multipart/form-data; a=1; a=2; boundary=B", "multipart/form-data; a@b=1; boundary=B",
	"multipart/form-data; =1; boundary=B", "multipart/form-data; boundary==B", "multipart/form-data boundary=B",
	"multipart/form-data; boundary=B=", "multipart/form-data; boundary='B'",
}

var partsBodies = []string{
	"", "--B--", "--B--\r\n", "--B\r\n", "--B", "--B\r\n\r\n", "--B\r\n\r\n--B--", "--B\r\n\r\n\r\n--B--", "x", "x\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--\r\n",
	"preamble\r\n\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--\r\nepilogue\r\n--B\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n2\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\nContent-Type: application/json\r\n\r\n{\"x\":[1]}\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\nContent-Type: application/json\r\n\r\n{\"x\":\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\nContent-Type: application/json\r\n\r\n\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\nContent-Type: text/application/json\r\n\r\n1\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\nContent-Type: a\r\nContent-Type: application/json\r\n\r\n1\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--Bx\r\n--B--\r\n", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B-\r\n--B--",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B x\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B \t\r\n\r\n--B-- \t\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B\r\n", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n--B--\r\n", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n--Bx\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--B--\r\n", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n\r\n--B--\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\n", "--B\r\nContent-Disposition: form-data; name=a", "--B\r\nContent-Disposition: form-data; name=a\r\n1\r\n--B--",
	"--B\r\n Content-Disposition: form-data; name=a\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n--B--",
	"--B\r\nContent-Disposition: form-data;\r\n\t\r\n name=a\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition : form-data; name=a\r\n\r\n1\r\n--B--",
	"--B\r\ncOnTeNt-DiSpOsItIoN:form-data; name=a\r\n\r\n1\r\n--B--", "--B\r\nContent Disposition: form-data; name=a\r\n\r\n1\r\n--B--",
	"--B\r\nContent-Disposition: form-data; name=a\r\nX(: 1\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\n: 1\r\n\r\n1\r\n--B--",
	"--B\r\nContent-Disposition: form-data; name=a\r\nX: \u0001\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\nX: \u007f\r\n\r\n1\r\n--B--",
	"--B\r\nContent-Disposition: form-data; name=a\r\nX: é\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\né: 1\r\n\r\n1\r\n--B--",
	"--B\r\nContent-Disposition: form-data; name=a\r\nX\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\nX\r\n : y\r\n\r\n1\r\n--B--",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\na\r\rb\n\nc\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\r\n\r\n1\r\n--B--",
	"--B\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--\r\n", "--B\nContent-Disposition: form-data; name=a\n\n1\r\n--B--\n", "--B\r\nContent-Disposition: form-data; name=a\n\n1\r\n--B--",
	"--B \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B\r\n--B--",
	"--B\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n--B--",
	"--B\r\nContent-Disposition: attachment; name=a\r\n\r\n1", "--B--x\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--x\r\n",
	"--B\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--B--", "-B\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--",
	"\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--", "--B\r\nContent-Disposition: form-data; name=a; filename=\"x.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\u0000\u0001\r\n--B--",
	"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=b\r\nContent-Type: application/json\r\n\r\nnull\r\n--B\r\nContent-Disposition: form-data; name=b\r\n\r\nnull\r\n--B--",
}

var dispositions = []string{
	"form-data; name=a", `form-data; name="a"`, `form-data; name="a b"`, `form-data; name="a\"b"`, `form-data; name="a\b"`, `form-data; name=""`,
	"form-data", "form-data;", "Form-Data; Name=a", "form-data; name=a; name=a", "form-data; name=a; name=b", "form-data; name=a b",
	"form-data; name=a; x", "form-data; name=é", `form-data; name="é"`, "form-data; name=a; filename=b.txt", `form-data; filename="C:\dir\x.txt"; name=a`,
	"form-data; filename*=UTF-8''%e2%82%ac; name=a", "form-data; name=a; filename*=x; filename*=y", "form-data/x; name=a", "form-data; name=a;", "form-data; name=a;;",
	"form-data name=a", "; name=a", "", " form-data ; name=a", "form-data;name=a", "form-data; name = a", "form-data; name=\"a", "form-data; name=\"a\"b",
	"x; name=a", "form-data; name=a, form-data; name=b", "form-data; name=[]", `form-data; name="x[]"`, "form-data; name=;", "form-data; filename=x",
}

var quoted = []string{
	"", "a", "a=3Db", "a=3db", "a=\r\nb", "a=\nb", "a =\r\n b", "a= \r\nb", "a=", "=", "a=4", "a=zz", "a=\rb", "a  \r\nb", "a\t", "a  ", "=C3=A9", "=FF", "=ff=fe",
	"é", "\u0001", "\u007f", "a\r\n", "a\nb", "a\rb", "==", "a==", "=3D=", "=\r\n", "a=\r\n\r\nb", "a=3", "a=x\r\nb", "tab\there", "{\"a\"=3A1}",
}

var lengths = []string{"0", "4", "5", "6", "-1", "-2", "+5", "+6", "", " ", "5 ", " 5", "5,5", "five", "0x5", "5.0", "1_0", "007", "9223372036854775807", "9223372036854775808", "-9223372036854775809"}

// large are bodies around Go's sizes: its buffers of 4096 bytes, its limits on headers and depth.
func large() []*Case {
	head := "--B\r\nContent-Disposition: form-data; name=a\r\n"
	quoted := head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	var cases []*Case
	for _, n := range []int{4094, 4095, 4096, 4097} {
		line := strings.Repeat("x", n)
		cases = append(cases,
			of(partsType, line+"\r\n"+head+"\r\n1\r\n--B--"),
			of(partsType, head+"X: "+line+"\r\n\r\n1\r\n--B--"),
			of(partsType, quoted+line+"\r\n1\r\n--B--"),
			of(partsType, quoted+line+"\r\n--B--"),
		)
	}
	for _, n := range []int{100, 126} {
		cases = append(cases, of(jsonType, strings.Repeat("[", n)+strings.Repeat("]", n)))
	}
	return append(cases, of(jsonType, strings.Repeat("[", 10001)+strings.Repeat("]", 10001)), of(jsonType, strings.Repeat("[", 20000)))
}
