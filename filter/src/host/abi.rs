//! The functions that the host offers, as it declares them. Nothing else is imported: a name that Envoy
//! does not offer keeps the whole module from loading.

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    pub(super) fn proxy_log(level: u32, message: *const u8, length: usize) -> u32;

    pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;

    pub(super) fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;

    pub(super) fn proxy_get_property(
        path: *const u8,
        path_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;

    pub(super) fn proxy_set_property(
        path: *const u8,
        path_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;

    pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, length: *mut usize) -> u32;

    pub(super) fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;

    pub(super) fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;

    pub(super) fn proxy_remove_header_map_value(map: u32, name: *const u8, name_length: usize) -> u32;

    pub(super) fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_length: usize,
        body: *const u8,
        body_length: usize,
        headers: *const u8,
        headers_length: usize,
        grpc_status: i32,
    ) -> u32;

    pub(super) safe fn proxy_close_stream(stream: u32) -> u32;

    pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_length: usize, id: *mut u32) -> u32;

    pub(super) safe fn proxy_increment_metric(id: u32, by: i64) -> u32;

    pub(super) safe fn proxy_record_metric(id: u32, value: u64) -> u32;

    pub(super) safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;

    pub(super) fn proxy_http_call(
        cluster: *const u8,
        cluster_length: usize,
        headers: *const u8,
        headers_length: usize,
        body: *const u8,
        body_length: usize,
        trailers: *const u8,
        trailers_length: usize,
        timeout_milliseconds: u32,
        token: *mut u32,
    ) -> u32;

    pub(super) fn proxy_call_foreign_function(
        name: *const u8,
        name_length: usize,
        argument: *const u8,
        argument_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;

    pub(super) fn proxy_get_shared_data(
        key: *const u8,
        key_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
        change: *mut u32,
    ) -> u32;

    pub(super) fn proxy_set_shared_data(
        key: *const u8,
        key_length: usize,
        value: *const u8,
        value_length: usize,
        change: u32,
    ) -> u32;

    pub(super) safe fn proxy_set_effective_context(context: u32) -> u32;

    pub(super) safe fn proxy_continue_stream(stream: u32) -> u32;
}
