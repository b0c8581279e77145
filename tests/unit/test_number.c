/*
 * base/number: doubles and integers as JSON.stringify() writes them
 *
 * The table was made by Node.js 20: JSON.stringify() of the double with these
 * bits. Random doubles were compared with it by the million besides.
 */
#include "base/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <string.h>

#include "base/double.h"

/* clang-format off */
static const struct {
    uint64_t bits;
    const char *text;
} cases[] = {
    {UINT64_C(0x0000000000000000), "0"},
    {UINT64_C(0x8000000000000000), "0"},
    {UINT64_C(0x3ff0000000000000), "1"},
    {UINT64_C(0xbff0000000000000), "-1"},
    {UINT64_C(0x4000000000000000), "2"},
    {UINT64_C(0x4022000000000000), "9"},
    {UINT64_C(0x4024000000000000), "10"},
    {UINT64_C(0x4026000000000000), "11"},
    {UINT64_C(0x4058c00000000000), "99"},
    {UINT64_C(0x4059000000000000), "100"},
    {UINT64_C(0x419d6f3454000000), "123456789"},
    {UINT64_C(0xc19d6f3454000000), "-123456789"},
    {UINT64_C(0x3fb999999999999a), "0.1"},
    {UINT64_C(0x3fc999999999999a), "0.2"},
    {UINT64_C(0x3fd3333333333333), "0.3"},
    {UINT64_C(0x3fd3333333333334), "0.30000000000000004"},
    {UINT64_C(0x3fe0000000000000), "0.5"},
    {UINT64_C(0x3ff8000000000000), "1.5"},
    {UINT64_C(0x4004000000000000), "2.5"},
    {UINT64_C(0xbfe0000000000000), "-0.5"},
    {UINT64_C(0x40091eb851eb851f), "3.14"},
    {UINT64_C(0x400921fb54442d18), "3.141592653589793"},
    {UINT64_C(0x4005bf0a8b145769), "2.718281828459045"},
    {UINT64_C(0x3fd5555555555555), "0.3333333333333333"},
    {UINT64_C(0x3fe5555555555555), "0.6666666666666666"},
    {UINT64_C(0x3f847ae147ae147b), "0.01"},
    {UINT64_C(0x3ee4f8b588e368f1), "0.00001"},
    {UINT64_C(0x3eb0c6f7a0b5ed8d), "0.000001"},
    {UINT64_C(0x3eb92a737110e454), "0.0000015"},
    {UINT64_C(0x3eb0c2ac1dbbe3d8), "9.99e-7"},
    {UINT64_C(0x3e7ad7f29abcaf48), "1e-7"},
    {UINT64_C(0x3e8421f5f40d8376), "1.5e-7"},
    {UINT64_C(0xbe7ad7f29abcaf48), "-1e-7"},
    {UINT64_C(0x3e45798ee2308c3a), "1e-8"},
    {UINT64_C(0x3e479f505f35670c), "1.1e-8"},
    {UINT64_C(0x3ddb7cdfd9d7bdbb), "1e-10"},
    {UINT64_C(0x3cd203af9ee75616), "1e-15"},
    {UINT64_C(0x3bc79ca10c924223), "1e-20"},
    {UINT64_C(0x3b92e3b40a0e9b4f), "1e-21"},
    {UINT64_C(0x3b5e392010175ee6), "1e-22"},
    {UINT64_C(0x3b282db34012b251), "1e-23"},
    {UINT64_C(0x3af357c299a88ea7), "1e-24"},
    {UINT64_C(0x2b2bff2ee48e0530), "1e-100"},
    {UINT64_C(0x01a56e1fc2f8f359), "1e-300"},
    {UINT64_C(0x0031fa182c40c60d), "1e-307"},
    {UINT64_C(0x000730d67819e8d2), "1e-308"},
    {UINT64_C(0x4415af1d78b58c40), "100000000000000000000"},
    {UINT64_C(0x441ac53a7e04bcda), "123456789012345680000"},
    {UINT64_C(0x444b1ae4d6e2ef50), "1e+21"},
    {UINT64_C(0x4454542ba12a337c), "1.5e+21"},
    {UINT64_C(0x444dd0c885f9a0d8), "1.1e+21"},
    {UINT64_C(0x444b1ae4d6e2ef4f), "999999999999999900000"},
    {UINT64_C(0x4480f0cf064dd592), "1e+22"},
    {UINT64_C(0x44b52d02c7e14af6), "1e+23"},
    {UINT64_C(0x44ea784379d99db4), "1e+24"},
    {UINT64_C(0x54b249ad2594c37d), "1e+100"},
    {UINT64_C(0x7e37e43c8800759c), "1e+300"},
    {UINT64_C(0x7fe1ccf385ebc8a0), "1e+308"},
    {UINT64_C(0x7fefffffffffffff), "1.7976931348623157e+308"},
    {UINT64_C(0xffefffffffffffff), "-1.7976931348623157e+308"},
    {UINT64_C(0x7feffffffffffffe), "1.7976931348623155e+308"},
    {UINT64_C(0x433fffffffffffff), "9007199254740991"},
    {UINT64_C(0x4340000000000000), "9007199254740992"},
    {UINT64_C(0x4340000000000001), "9007199254740994"},
    {UINT64_C(0x4340000000000002), "9007199254740996"},
    {UINT64_C(0x4350000000000000), "18014398509481984"},
    {UINT64_C(0x4350000000000001), "18014398509481988"},
    {UINT64_C(0x43b0000000000000), "1152921504606847000"},
    {UINT64_C(0x43e0000000000000), "9223372036854776000"},
    {UINT64_C(0x43f0000000000000), "18446744073709552000"},
    {UINT64_C(0x4400000000000000), "36893488147419103000"},
    {UINT64_C(0x4410000000000000), "73786976294838210000"},
    {UINT64_C(0x4420000000000000), "147573952589676410000"},
    {UINT64_C(0x4430000000000000), "295147905179352830000"},
    {UINT64_C(0x4440000000000000), "590295810358705700000"},
    {UINT64_C(0x4450000000000000), "1.1805916207174113e+21"},
    {UINT64_C(0x4630000000000000), "1.2676506002282294e+30"},
    {UINT64_C(0x5f30000000000000), "3.273390607896142e+150"},
    {UINT64_C(0x7e70000000000000), "1.0715086071862673e+301"},
    {UINT64_C(0x7fe0000000000000), "8.98846567431158e+307"},
    {UINT64_C(0x3fd0000000000000), "0.25"},
    {UINT64_C(0x3f50000000000000), "0.0009765625"},
    {UINT64_C(0x3eb0000000000000), "9.5367431640625e-7"},
    {UINT64_C(0x3cb0000000000000), "2.220446049250313e-16"},
    {UINT64_C(0x3ca0000000000000), "1.1102230246251565e-16"},
    {UINT64_C(0x39b0000000000000), "7.888609052210118e-31"},
    {UINT64_C(0x20b0000000000000), "3.054936363499605e-151"},
    {UINT64_C(0x0170000000000000), "9.332636185032189e-302"},
    {UINT64_C(0x0020000000000000), "4.450147717014403e-308"},
    {UINT64_C(0x0010000000000000), "2.2250738585072014e-308"},
    {UINT64_C(0x0008000000000000), "1.1125369292536007e-308"},
    {UINT64_C(0x0000000000004000), "8.095e-320"},
    {UINT64_C(0x0000000000000002), "1e-323"},
    {UINT64_C(0x0000000000000001), "5e-324"},
    {UINT64_C(0x0000000000000003), "1.5e-323"},
    {UINT64_C(0x0000000000000005), "2.5e-323"},
    {UINT64_C(0x000fffffffffffff), "2.225073858507201e-308"},
    {UINT64_C(0x001fffffffffffff), "4.4501477170144023e-308"},
    {UINT64_C(0x4011666666666666), "4.35"},
    {UINT64_C(0x4011666666666665), "4.349999999999999"},
    {UINT64_C(0x40140f5c28f5c28f), "5.015"},
    {UINT64_C(0x4020d1eb851eb852), "8.41"},
    {UINT64_C(0x4005666666666666), "2.675"},
    {UINT64_C(0x3ff0147ae147ae14), "1.005"},
    {UINT64_C(0x3fe3ae147ae147ae), "0.615"},
    {UINT64_C(0x40247851eb851eb8), "10.235"},
    {UINT64_C(0x3ff0000000000001), "1.0000000000000002"},
    {UINT64_C(0x3fefffffffffffff), "0.9999999999999999"},
    {UINT64_C(0x3eafe07017c01026), "9.5e-7"},
    {UINT64_C(0x3eb4b6231abfd271), "0.0000012345"},
    {UINT64_C(0x3ee9e409302678b5), "0.00001234567890123456"},
    {UINT64_C(0x40fe240c9fbe76c9), "123456.789"},
    {UINT64_C(0x4132d687e3df2180), "1234567.8901234567"},
    {UINT64_C(0x4206fee0e1a9e065), "12345678901.234568"},
    {UINT64_C(0x405900a3d70a3d71), "100.01"},
    {UINT64_C(0x430c6bf526340004), "1000000000000000.5"},
    {UINT64_C(0x430c6bf52633fffc), "999999999999999.5"},
    {UINT64_C(0x430c6bf526340002), "1000000000000000.2"},
    {UINT64_C(0x430c6bf52633ffff), "999999999999999.9"},
    {UINT64_C(0x42d6bcc41e8fffff), "99999999999999.98"},
    {UINT64_C(0x4330000000000000), "4503599627370496"},
    {UINT64_C(0x432fffffffffffff), "4503599627370495.5"},
    {UINT64_C(0x3ea0c6f7a0b5ed8d), "5e-7"},
    {UINT64_C(0x3e86d127d05394fd), "1.7e-7"},
    {UINT64_C(0x3c36b082c2148b8e), "1.23e-18"},
    {UINT64_C(0x3c91a62633145c07), "6.123233995736766e-17"},
    {UINT64_C(0x3ca1a62633145c07), "1.2246467991473532e-16"},
    {UINT64_C(0x41b1de784a000000), "299792458"},
    {UINT64_C(0x44dfe185ca57c517), "6.02214076e+23"},
    {UINT64_C(0x390b860bde023111), "6.62607015e-34"},
    {UINT64_C(0x3c07a4da290c1653), "1.602176634e-19"},
    {UINT64_C(0x39b279dcc8b6b7ed), "9.1093837015e-31"},
    {UINT64_C(0x4278bcfe56800000), "1700000000000"},
    {UINT64_C(0x41d954fc4007df3b), "1700000000.123"},
    {UINT64_C(0x41d9cf9e00000004), "1732147200.000001"},
    {UINT64_C(0x4042e32fec56d5d0), "37.7749"},
    {UINT64_C(0xc05e9ad77318fc50), "-122.4194"},
    {UINT64_C(0x40486dd5fdcdf698), "48.858093"},
    {UINT64_C(0x40025b8887229e90), "2.294694"},
    {UINT64_C(0x4049c0f0e0a84be4), "51.507351"},
    {UINT64_C(0xbfc05a5fc7e6b3ff), "-0.127758"},
    {UINT64_C(0x3ec0000000000000), "0.0000019073486328125"},
    {UINT64_C(0x3f00000000000000), "0.000030517578125"},
    {UINT64_C(0x3e40000000000000), "7.450580596923828e-9"},
    {UINT64_C(0x3e70000000000000), "5.960464477539063e-8"},
    {UINT64_C(0x3e80000000000000), "1.1920928955078125e-7"},
    {UINT64_C(0x7df0000000000000), "4.185580496821357e+298"},
    {UINT64_C(0x2190000000000000), "5.0052077379577523e-147"},
    {UINT64_C(0x44b1ffdbf6b2b2eb), "8.5e+22"},
    {UINT64_C(0x44b1ffdbf6b2b2f1), "8.50000000000001e+22"},
    {UINT64_C(0x42000004bdf819f4), "8589973439.012672"},
    {UINT64_C(0x00000000000008b2), "1.1e-320"},
    {UINT64_C(0x0000000000001fa0), "4e-320"},
    {UINT64_C(0x0000406de80b2597), "3.5e-310"},
    {UINT64_C(0x000024d116e1cc56), "2e-310"},
    {UINT64_C(0x00007f048ef1675c), "6.9e-310"},
    {UINT64_C(0x0000117ceade7443), "9.5e-311"},
    {UINT64_C(0x000138f1427f48dc), "1.7e-309"},
    {UINT64_C(0x4360000000000000), "36028797018963970"},
    {UINT64_C(0x4370000000000000), "72057594037927940"},
    {UINT64_C(0x4380000000000000), "144115188075855870"},
    {UINT64_C(0x0000000000002788), "5e-320"},
    {UINT64_C(0x0000000000006a22), "1.3424e-319"},
    {UINT64_C(0x0000b8157268fdaf), "1e-309"},
    {UINT64_C(0x000012688b70e62b), "1e-310"},
    {UINT64_C(0x369ff868bf4d956a), "1.4e-45"},
    {UINT64_C(0x47efffffe0000000), "3.4028234663852886e+38"},
    {UINT64_C(0x3810000000000000), "1.1754943508222875e-38"},
    {UINT64_C(0x40effc0000000000), "65504"},
    {UINT64_C(0x3f10000000000000), "0.00006103515625"},
    {UINT64_C(0x0010000000000001), "2.225073858507202e-308"},
    {UINT64_C(0x7fdfffffffffffff), "8.988465674311579e+307"},
    {UINT64_C(0x44b52d02c7e14af7), "1.0000000000000001e+23"},
    {UINT64_C(0x444b1ae4d6e2ef51), "1.0000000000000001e+21"},
    {UINT64_C(0x3eb0c6f7a0b5ed8c), "9.999999999999997e-7"},
    {UINT64_C(0x3eb0c6f7a0b5ed8e), "0.0000010000000000000002"},
    {UINT64_C(0x7e3ef9ff94e3a2ba), "1.2965486913656172e+300"},
    {UINT64_C(0x0123456789abcdef), "3.512700564088504e-303"},
    {UINT64_C(0x4059000000000001), "100.00000000000001"},
    {UINT64_C(0x40590000000000ff), "100.00000000000362"},
    {UINT64_C(0x6b3a5fb1a1f2c3d4), "3.3869578705498656e+208"},
    {UINT64_C(0x1a2b3c4d5e6f7081), "1.2819434837970965e-182"},
    {UINT64_C(0x2222222222222222), "2.9043552100789517e-144"},
    {UINT64_C(0x5555555555555555), "1.1945305291614955e+103"},
    {UINT64_C(0x7abcdef012345678), "1.6770094978428293e+283"},
    {UINT64_C(0x3bcd2681472afff9), "1.2345678901234567e-20"},
    {UINT64_C(0x3c023810cc7adffc), "1.2345678901234568e-19"},
    {UINT64_C(0x3c36c614ff9997fa), "1.2345678901234566e-18"},
    {UINT64_C(0x3c6c779a3f7ffdf9), "1.2345678901234567e-17"},
    {UINT64_C(0x3ca1cac067affebc), "1.2345678901234568e-16"},
    {UINT64_C(0x3cd63d70819bfe6b), "1.2345678901234568e-15"},
    {UINT64_C(0x3d0bcccca202fe05), "1.2345678901234567e-14"},
    {UINT64_C(0x3d415fffe541dec3), "1.2345678901234566e-13"},
    {UINT64_C(0x3d75b7ffde925674), "1.2345678901234567e-12"},
    {UINT64_C(0x3dab25ffd636ec11), "1.2345678901234567e-11"},
    {UINT64_C(0x3de0f7bfe5e2538b), "1.2345678901234568e-10"},
    {UINT64_C(0x3e1535afdf5ae86d), "1.2345678901234566e-9"},
    {UINT64_C(0x3e4a831bd731a289), "1.2345678901234567e-8"},
    {UINT64_C(0x3e8091f1667f0595), "1.2345678901234566e-7"},
    {UINT64_C(0x3eb4b66dc01ec6fb), "0.0000012345678901234567"},
    {UINT64_C(0x3ee9e409302678ba), "0.000012345678901234568"},
    {UINT64_C(0x3f202e85be180b74), "0.00012345678901234567"},
    {UINT64_C(0x3f543a272d9e0e51), "0.0012345678901234567"},
    {UINT64_C(0x3f8948b0f90591e5), "0.012345678901234567"},
    {UINT64_C(0x3fbf9add3746f65e), "0.12345678901234566"},
    {UINT64_C(0x3ff3c0ca428c59fb), "1.2345678901234567"},
    {UINT64_C(0x4028b0fcd32f707a), "12.345678901234567"},
    {UINT64_C(0x405edd3c07fb4c98), "123.45678901234567"},
    {UINT64_C(0x40934a4584fd0fdf), "1234.5678901234567"},
    {UINT64_C(0x40c81cd6e63c53d7), "12345.678901234567"},
    {UINT64_C(0x40fe240c9fcb68cd), "123456.78901234567"},
    {UINT64_C(0x41678c29dcd6e9e0), "12345678.901234567"},
    {UINT64_C(0x419d6f34540ca458), "123456789.01234567"},
    {UINT64_C(0x41d26580b487e6b7), "1234567890.1234567"},
    {UINT64_C(0x423cbe991a14587e), "123456789012.34567"},
    {UINT64_C(0x4271f71fb04cb74f), "1234567890123.4568"},
    {UINT64_C(0x42a674e79c5fe522), "12345678901234.566"},
    {UINT64_C(0x42dc12218377de6b), "123456789012345.67"},
    {UINT64_C(0x43118b54f22aeb03), "1234567890123456.8"},
    {UINT64_C(0x4345ee2a2eb5a5c4), "12345678901234568"},
    {UINT64_C(0x437b69b4ba630f34), "123456789012345660"},
    {UINT64_C(0x43b12210f47de981), "1234567890123456800"},
    {UINT64_C(0x43e56a95319d63e1), "12345678901234567000"},
    {UINT64_C(0x441ac53a7e04bcd9), "123456789012345670000"},
    {UINT64_C(0x4450bb448ec2f608), "1.2345678901234568e+21"},
    {UINT64_C(0x4484ea15b273b38a), "1.2345678901234568e+22"},
    {UINT64_C(0x3e15798ee2308c3a), "1.25e-9"},
    {UINT64_C(0x3e4ad7f29abcaf48), "1.25e-8"},
    {UINT64_C(0x3e80c6f7a0b5ed8d), "1.25e-7"},
    {UINT64_C(0x3eb4f8b588e368f1), "0.00000125"},
    {UINT64_C(0x3eea36e2eb1c432d), "0.0000125"},
    {UINT64_C(0x3f20624dd2f1a9fc), "0.000125"},
    {UINT64_C(0x3f547ae147ae147b), "0.00125"},
    {UINT64_C(0x3f8999999999999a), "0.0125"},
    {UINT64_C(0x3fc0000000000000), "0.125"},
    {UINT64_C(0x3ff4000000000000), "1.25"},
    {UINT64_C(0x4029000000000000), "12.5"},
    {UINT64_C(0x405f400000000000), "125"},
    {UINT64_C(0x4093880000000000), "1250"},
    {UINT64_C(0x40c86a0000000000), "12500"},
    {UINT64_C(0x40fe848000000000), "125000"},
    {UINT64_C(0x413312d000000000), "1250000"},
    {UINT64_C(0x4167d78400000000), "12500000"},
    {UINT64_C(0x419dcd6500000000), "125000000"},
    {UINT64_C(0x41d2a05f20000000), "1250000000"},
    {UINT64_C(0x42074876e8000000), "12500000000"},
    {UINT64_C(0x423d1a94a2000000), "125000000000"},
    {UINT64_C(0x4272309ce5400000), "1250000000000"},
    {UINT64_C(0x42a6bcc41e900000), "12500000000000"},
    {UINT64_C(0x42dc6bf526340000), "125000000000000"},
    {UINT64_C(0x4311c37937e08000), "1250000000000000"},
    {UINT64_C(0x4346345785d8a000), "12500000000000000"},
    {UINT64_C(0x437bc16d674ec800), "125000000000000000"},
    {UINT64_C(0x43b158e460913d00), "1250000000000000000"},
    {UINT64_C(0x43e5af1d78b58c40), "12500000000000000000"},
    {UINT64_C(0x441b1ae4d6e2ef50), "125000000000000000000"},
    {UINT64_C(0x4450f0cf064dd592), "1.25e+21"},
    {UINT64_C(0x44852d02c7e14af6), "1.25e+22"},
    {UINT64_C(0x44ba784379d99db4), "1.25e+23"},
    {UINT64_C(0x44f08b2a2c280291), "1.25e+24"},
    {UINT64_C(0x7ff0000000000000), "null"},
    {UINT64_C(0xfff0000000000000), "null"},
    {UINT64_C(0x7ff8000000000000), "null"},
    {UINT64_C(0xfff0000000000001), "null"},
};
/* clang-format on */

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void
check_all_cases(void)
{
    size_t i;

    for (i = 0; i < N_CASES; i++) {
        double value = skio__double_from_bits(cases[i].bits);
        char out[SKIO__NUMBER_MAX + 1];
        size_t len;

        memset(out, '#', sizeof(out));
        len = skio__number_format(value, out);
        assert_in_range(len, 1, SKIO__NUMBER_MAX);
        assert_int_equal(out[len], '#');
        out[len] = '\0';
        assert_string_equal(out, cases[i].text);
    }
}

static void
doubles_are_written_as_javascript_does(void **state)
{
    (void)state;
    check_all_cases();
}

static void
the_locale_changes_nothing(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", ""};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (setlocale(LC_ALL, names[i]) != NULL)
            check_all_cases();
    setlocale(LC_ALL, "C");
}

static void
what_is_written_reads_back(void **state)
{
    uint64_t bits = 1;
    int i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        char out[SKIO__NUMBER_MAX];
        double value = skio__double_from_bits(bits);
        double back;
        size_t len;

        bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407u;
        if (!isfinite(value) || value == 0)
            continue;
        len = skio__number_format(value, out);
        assert_int_equal(skio__number_parse(out, len, &back), SKIO_OK);
        assert_true(skio__double_bits(back) == skio__double_bits(value));
    }
}

static void
integers_are_written_in_decimal(void **state)
{
    static const struct {
        int64_t value;
        const char *text;
    } ints[] = {
        {0, "0"},
        {-1, "-1"},
        {9, "9"},
        {10, "10"},
        {-4294967296, "-4294967296"},
        {9007199254740993, "9007199254740993"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    char out[SKIO__NUMBER_MAX + 1];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        out[skio__number_format_i64(ints[i].value, out)] = '\0';
        assert_string_equal(out, ints[i].text);
    }
    out[skio__number_format_u64(0, out)] = '\0';
    assert_string_equal(out, "0");
    out[skio__number_format_u64(UINT64_MAX, out)] = '\0';
    assert_string_equal(out, "18446744073709551615");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_written_as_javascript_does),
        cmocka_unit_test(the_locale_changes_nothing),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(integers_are_written_in_decimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
