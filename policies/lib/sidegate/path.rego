# Paths. One that could mean more than it says matches no allow, so it is denied whatever the rules are.
package sidegate.authz

path := split(input.attributes.request.http.path, "?")[0]

segments := split(path, "/")

# RFC 3986's characters without `;`, no empty segment but a last one, no dot segments.
path_is_odd if regex.match(`^[^/]|[^A-Za-z0-9/._~!$&'()*+,=:@%-]|//|/\.\.?(?:/|$)`, path)

path_is_plain if {
	path != ""
	not contains(path, "%")
	not path_is_odd
}

# Escapes are whole; none stands for a control character, `#`, `%`, `.`, `/`, `;`, `?` or `\`; those of other
# characters than ASCII are UTF-8, and not of the full-width and small forms that some take for ASCII.
path_is_plain if {
	contains(path, "%")
	not path_is_odd
	regex.match(
		concat("", [
			`^(?:[^%]|%(?:2[0-246-9A-Da-d]|3[0-9ACDEacde]|4[0-9A-Fa-f]|5[0-9ABDEFabdef]|6[0-9A-Fa-f]|7[0-9A-Ea-e])`,
			`|%(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f])%[89ABab][0-9A-Fa-f]`,
			`|%[Ee]0%[ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]`,
			`|%[Ee][1-9A-Ca-cEe]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]`,
			`|%[Ee][Dd]%[89][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]`,
			`|%[Ee][Ff]%(?:[89Aa][0-9A-Fa-f]|[Bb][0-8AaBbEeFf])%[89ABab][0-9A-Fa-f]`,
			`|%[Ff]0%[9ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]`,
			`|%[Ff][1-3]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]`,
			`|%[Ff]4%8[0-9A-Fa-f]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f])*$`,
		]),
		path,
	)
}

# The path as a service might read it that decodes it, forgets about case and a slash at the end: what denies
# are compared with.
folded_path := trim_suffix(lower(path), "/") if {
	path_is_plain
	not contains(path, "%")
}

folded_path := trim_suffix(lower(upper(urlquery.decode(replace(path, "+", "%2B")))), "/") if {
	path_is_plain
	contains(path, "%")
}

folded_segments := split(folded_path, "/")

# The key of a shape's table: the path's segments where the shape has text, `{}` where it has a variable.
path_key(mask, parts) := concat("/", [key | some i, kind in mask; key := key_part(kind, parts[i])])

key_part("", part) := part

key_part("{}", part) := "{}" if part != ""
