#include "fw_crc.h"

uint16_t fw_crc16(uint16_t crc, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; ++i) {
        uint32_t value = crc ^ ((uint32_t)bytes[i] << 8);
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 0x8000u) != 0 ? (value << 1) ^ 0x1021u : value << 1;
        }
        crc = (uint16_t)(value & 0xFFFFu);
    }
    return crc;
}

uint32_t fw_crc32(uint32_t crc, const uint8_t *bytes, size_t length) {
    /* Half a byte at a time: 64 bytes of table are a fair price for a quarter of the bitwise time. */
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
        0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
        0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    crc = ~crc;
    for (size_t i = 0; i < length; ++i) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}
