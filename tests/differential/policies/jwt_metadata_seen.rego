# All of the metadata, to see it.
# behind jwt_authn
# words: authorization  Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsInJvbGUiOiJhZG1pbiIsIm4iOjEsImdyb3VwcyI6WyJhIiwiYiJdfQ.LTGLdsiVlgrSad9o9i8qfP9hkPxEP3u5ePU-fBkCjvw  Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJib2IiLCJyb2xlIjoidXNlciIsIm4iOjIuNSwibmVzdGVkIjp7IngiOlsxLG51bGwsdHJ1ZV19fQ.XgCVjto6XDeYC3UpQGsLthiICHUBtNJMXlaux864zY0  Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJldmUiLCJyb2xlIjoiYWRtaW4ifQ.nu8FqDUtGkdHDPevpu6AMTZGtD0zRYoDKDIHQI-UBCc  Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvbGQiLCJyb2xlIjoiYWRtaW4iLCJleHAiOjEwMDB9.gMUuf57z2S0-G88KFxgJgV3XwY_5A7yiFXrWrXirSmw
# reads the body
package differential.jwt_metadata_seen

allow := {"allowed": true, "headers": {"x-metadata": base64.encode(json.marshal(object.get(
	input.attributes,
	["metadataContext", "filterMetadata", "envoy.filters.http.jwt_authn"],
	"none",
)))}}
